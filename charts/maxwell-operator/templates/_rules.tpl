{{/*
What the operator may do where MaxwellClusters are; operator/src/lib.rs says what for. `create` beside `patch`:
server-side apply needs both. Nothing else is deleted by the operator: owner references do it.
*/}}
{{- define "maxwell-operator.rules" -}}
# The finalizer is set by patch.
- apiGroups: [maxwell-cdc.io]
  resources: [maxwellclusters]
  verbs: [get, list, watch, patch]
- apiGroups: [maxwell-cdc.io]
  resources: [maxwellclusters/status]
  verbs: [patch]
# Credentials that a MaxwellCluster refers to.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# The role label that leads the leader's Service, and replacing pods that are out of date.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
# The Job that deletes the position topic with deletionPolicy: Delete.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
