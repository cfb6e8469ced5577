//! Where in the binlog the last event ended, beyond the 32 bits that events carry.

use mysql_common::binlog::events::Event;

use super::event::Kind;

/// Set by the server on events that are not in the file.
const ARTIFICIAL: u16 = 0x20;

/// A file and the end of the last event in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Binlog file.
    pub file: String,
    /// End of the last event, which is the start of the next.
    pub offset: u64,
}

impl Place {
    /// Follows `event`; gives its start. An event without a place of its own starts and ends where the last one did.
    pub fn follow(&mut self, event: &Event, kind: &Kind) -> u64 {
        let header = event.header();
        if let Kind::Rotate { file, offset } = kind {
            // The artificial one at a dump's start repeats where the dump was opened.
            if self.file != *file || header.log_pos() != 0 {
                *self = Self { file: file.clone(), offset: *offset };
            }
            return self.offset;
        }
        if header.log_pos() == 0 || header.flags_raw() & ARTIFICIAL != 0 || *kind == Kind::Heartbeat {
            return self.offset;
        }
        let mut end = (self.offset & !0xffff_ffff) | u64::from(header.log_pos());
        if end < self.offset {
            // Saturated only by a ROTATE event whose offset is damaged.
            end = end.saturating_add(1 << 32);
        }
        let before = std::mem::replace(&mut self.offset, end);
        // An inflated event says a size that it has not got in the file; it starts where the last one ended.
        end.saturating_sub(u64::from(header.event_size())).max(before)
    }

    /// Whether everything before `other` was passed. Files are compared by their number: a longer name is later.
    pub fn has_reached(&self, other: &Self) -> bool {
        let file = |place: &Self| (place.file.len(), place.file.clone());
        (file(self), self.offset) >= (file(other), other.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_files_are_later() {
        let place = |file: &str, offset| Place { file: file.into(), offset };
        assert!(place("binlog.000002", 4).has_reached(&place("binlog.000001", 900)));
        assert!(place("binlog.1000000", 4).has_reached(&place("binlog.999999", 900)));
        assert!(!place("binlog.000001", 800).has_reached(&place("binlog.000001", 900)));
        assert!(place("binlog.000001", 900).has_reached(&place("binlog.000001", 900)));
    }
}
