//! The client's waits, by the monotonic clock. By itself it waits up to a time of the wall clock: when that is set back by
//! two hours, whatever waits at that moment waits for two hours longer, its timers and [`super::flush`] among them
//! (<https://github.com/confluentinc/librdkafka/issues/2145>). What it calls for that is the C library's `cnd_timedwait`, which
//! this one takes the place of.
#![expect(unsafe_code, reason = "it is called from C, and calls C")]

use libc::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, ETIMEDOUT, c_int, clock_gettime, clockid_t, pthread_cond_t,
    pthread_mutex_t, timespec,
};

// As <threads.h> has them.
const SUCCESS: c_int = 0;
const ERROR: c_int = 2;
const TIMED_OUT: c_int = 4;

const SECOND: i64 = 1_000_000_000;
/// Who is told too early that the time is over looks at a monotonic clock and waits again: so a clock that is set while a
/// deadline is on its way here does no harm either.
const LONGEST: i64 = SECOND;

unsafe extern "C" {
    fn pthread_cond_clockwait(
        condition: *mut pthread_cond_t,
        mutex: *mut pthread_mutex_t,
        clock: clockid_t,
        until: *const timespec,
    ) -> c_int;
}

/// # Safety
/// As of the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn cnd_timedwait(
    condition: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    until: *const timespec,
) -> c_int {
    // SAFETY: the caller's.
    let until = unsafe { *until };
    let left = until.tv_sec * SECOND + until.tv_nsec - now(CLOCK_REALTIME);
    let due = now(CLOCK_MONOTONIC) + left.clamp(0, LONGEST);
    let due = timespec { tv_sec: due / SECOND, tv_nsec: due % SECOND };
    // SAFETY: the caller's; the C library's condition and mutex are its threads' own under another name.
    match unsafe { pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &raw const due) } {
        0 => SUCCESS,
        ETIMEDOUT => TIMED_OUT,
        _ => ERROR,
    }
}

fn now(clock: clockid_t) -> i64 {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it is written to here, and both clocks are there.
    unsafe { clock_gettime(clock, &raw mut now) };
    now.tv_sec * SECOND + now.tv_nsec
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_wait_ends_in_time() {
        let mut condition = libc::PTHREAD_COND_INITIALIZER;
        let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
        let mut wait = |milliseconds: i64| {
            let until = now(CLOCK_REALTIME) + milliseconds * 1_000_000;
            let until = timespec { tv_sec: until / SECOND, tv_nsec: until % SECOND };
            let begun = Instant::now();
            // SAFETY: both are initialised, and nobody else has them.
            let outcome = unsafe {
                libc::pthread_mutex_lock(&raw mut mutex);
                let outcome = cnd_timedwait(&raw mut condition, &raw mut mutex, &raw const until);
                libc::pthread_mutex_unlock(&raw mut mutex);
                outcome
            };
            (outcome, begun.elapsed())
        };
        let (outcome, took) = wait(50);
        assert_eq!(outcome, TIMED_OUT);
        assert!(took >= Duration::from_millis(49), "{took:?}");
        assert!(wait(-1_000).1 < Duration::from_secs(1));
        assert!(wait(7_200_000).1 < Duration::from_secs(2), "a clock that is set on the way");
    }
}
