/* A wall clock that can be moved, for one process: preloaded, it adds to the system's clock what the file named by WALL_CLOCK
 * holds, a number of nanoseconds in eight bytes. As on a host whose clock is set, monotonic clocks stay as they are, and
 * a wait up to a time of the wall clock ends when the moved clock shows that time.
 *
 * Nothing here allocates: the allocator asks for the time before it is ready. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
/* How soon a wait takes notice that the clock was moved. */
#define SLICE (SECOND / 10)
#define CONDITIONS 1024
/* The C library's own function: of the two that are called pthread_cond_..., the newer one. */
#define REAL(name)                                                                                                    \
  static __typeof__(&name) real;                                                                                      \
  if (!real) real = (__typeof__(&name))dlvsym(RTLD_NEXT, #name, "GLIBC_2.3.2");                                       \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static const _Atomic int64_t none;
static const _Atomic int64_t *offset = &none;
/* How often conditions were signalled, by a hash of their addresses. */
static _Atomic uint32_t signalled[CONDITIONS];

__attribute__((constructor)) static void map(void) {
  const char *path = getenv("WALL_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) offset = mapped;
  close(file);
}

static int64_t nanoseconds(const struct timespec *time) { return time->tv_sec * SECOND + time->tv_nsec; }

static struct timespec timespec_of(int64_t time) {
  return (struct timespec){.tv_sec = time / SECOND, .tv_nsec = time % SECOND};
}

static int64_t system_clock(void) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  return nanoseconds(&now);
}

static int64_t moved_clock(void) { return system_clock() + atomic_load(offset); }

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (syscall(SYS_clock_gettime, clock, now) != 0) return -1;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) *now = timespec_of(nanoseconds(now) + atomic_load(offset));
  return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  int64_t time = moved_clock();
  now->tv_sec = time / SECOND;
  now->tv_usec = time % SECOND / 1000;
  return 0;
}

time_t time(time_t *now) {
  time_t seconds = moved_clock() / SECOND;
  if (now) *now = seconds;
  return seconds;
}

int timespec_get(struct timespec *now, int base) {
  if (base != TIME_UTC) return 0;
  *now = timespec_of(moved_clock());
  return base;
}

static _Atomic uint32_t *signals_of(const void *condition) {
  return &signalled[((uintptr_t)condition >> 4) % CONDITIONS];
}

static void count(const void *condition) { atomic_fetch_add(signals_of(condition), 1); }

int pthread_cond_signal(pthread_cond_t *condition) {
  REAL(pthread_cond_signal);
  count(condition);
  return real(condition);
}

int pthread_cond_broadcast(pthread_cond_t *condition) {
  REAL(pthread_cond_broadcast);
  count(condition);
  return real(condition);
}

int cnd_signal(cnd_t *condition) {
  REAL(cnd_signal);
  count(condition);
  return real(condition);
}

int cnd_broadcast(cnd_t *condition) {
  REAL(cnd_broadcast);
  count(condition);
  return real(condition);
}

typedef int timed_wait(void *condition, void *mutex, const struct timespec *until);

/* In slices, because the clock may be moved meanwhile. A signal that came between two of them counts as one that came
 * during the wait. Conditions that go by another clock are not waited for here: nobody in the worker makes one. */
static int wait_in_slices(timed_wait *wait, void *condition, void *mutex, const struct timespec *until, int timed_out) {
  int64_t due = nanoseconds(until);
  uint32_t before = atomic_load(signals_of(condition));
  for (;;) {
    int64_t left = due - moved_clock();
    struct timespec slice = timespec_of(system_clock() + (left < SLICE ? left : SLICE));
    int ended = wait(condition, mutex, &slice);
    if (ended != timed_out) return ended;
    if (atomic_load(signals_of(condition)) != before) return 0;
    if (moved_clock() >= due) return timed_out;
  }
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  REAL(pthread_cond_timedwait);
  return wait_in_slices((timed_wait *)real, condition, mutex, until, ETIMEDOUT);
}

/* What the Kafka client waits with. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
  REAL(cnd_timedwait);
  return wait_in_slices((timed_wait *)real, condition, mutex, until, thrd_timedout);
}
