//! Coarse figures that stay put: a value that wavers around a step's border keeps the step that it had.

const LAG_STEPS: [i64; 17] =
    [0, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
const CPU_STEP: i64 = 10;
const MEMORY_STEP: i64 = 16 << 20;

/// The step of seconds that a lag has reached. The step before holds from a fifth below it to a fifth above the next.
pub(in crate::cluster) fn lag_seconds(milliseconds: u64, before: Option<i64>) -> i64 {
    let exact = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    let reached = LAG_STEPS.iter().rposition(|step| step * 1_000 <= exact).unwrap_or(0);
    let kept = before.and_then(|before| {
        let index = LAG_STEPS.iter().position(|step| *step == before)?;
        let below = LAG_STEPS[index] * 800;
        let above = LAG_STEPS.get(index + 1).map_or(i64::MAX, |next| next * 1_200);
        (below..above).contains(&exact).then_some(before)
    });
    kept.unwrap_or(LAG_STEPS[reached])
}

/// Seconds that are left, rounded down: to hours, to minutes when there are less than two.
pub(in crate::cluster) fn seconds_left(exact: u64) -> i64 {
    let step = if exact < 7_200 { 60 } else { 3_600 };
    i64::try_from(exact / step * step).unwrap_or(i64::MAX)
}

/// Percent in steps of 10.
pub(in crate::cluster) fn cpu_percent(percent: f64, before: Option<i32>) -> i32 {
    // A float that fits nowhere saturates; one that is no number becomes 0.
    let exact = percent.round() as i32;
    let stepped = stepped(i64::from(exact), CPU_STEP, before.map(i64::from));
    i32::try_from(stepped).unwrap_or(i32::MAX)
}

/// Bytes in steps of 16 MiB.
pub(in crate::cluster) fn memory_bytes(bytes: u64, before: Option<i64>) -> i64 {
    stepped(i64::try_from(bytes).unwrap_or(i64::MAX / 2), MEMORY_STEP, before)
}

fn stepped(exact: i64, step: i64, before: Option<i64>) -> i64 {
    match before {
        Some(before) if (exact - before).abs() < step * 4 / 5 => before,
        _ => exact.saturating_add(step / 2) / step * step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_shows_as_the_step_it_has_reached() {
        for (milliseconds, seconds) in [
            (0, 0),
            (999, 0),
            (1_000, 1),
            (4_999, 2),
            (29_000, 10),
            (299_000, 120),
            (300_000, 300),
            (90_000_000, 86_400),
        ] {
            assert_eq!(lag_seconds(milliseconds, None), seconds, "{milliseconds}");
        }
        assert_eq!(lag_seconds(u64::MAX, Some(86_400)), 86_400);
    }

    #[test]
    fn a_lag_that_wavers_keeps_its_step() {
        for (milliseconds, before, seconds) in [
            (1_100, 0, 0),
            (1_200, 0, 1),
            (800, 1, 1),
            (799, 1, 0),
            (2_300, 1, 1),
            (0, 30, 0),
            (61_000, 7, 60),
        ] {
            assert_eq!(lag_seconds(milliseconds, Some(before)), seconds, "{milliseconds} after {before}");
        }
    }

    #[test]
    fn what_is_left_is_rounded_down() {
        for (exact, shown) in
            [(0, 0), (59, 0), (7_199, 7_140), (7_200, 7_200), (259_200, 259_200), (10_799, 7_200)]
        {
            assert_eq!(seconds_left(exact), shown);
        }
    }

    #[test]
    fn vitals_are_rounded_and_stay_put() {
        assert_eq!(cpu_percent(44.0, None), 40);
        assert_eq!(cpu_percent(47.0, Some(40)), 40);
        assert_eq!(cpu_percent(49.0, Some(40)), 50);
        assert_eq!(cpu_percent(f64::NAN, None), 0);
        assert_eq!(memory_bytes(41 << 20, None), 48 << 20);
        assert_eq!(memory_bytes(37 << 20, Some(48 << 20)), 48 << 20);
        assert_eq!(memory_bytes(30 << 20, Some(48 << 20)), 32 << 20);
    }
}
