//! Tests of the whole module.

use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Observations of one unit each, drawn into arms 0 and 1.
fn drawn(count: u64, rates: [f64; 2], seed: u64) -> Vec<Observation> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|unit| {
            let arm = usize::from(rng.random_bool(0.5));
            Observation { unit, arm, value: f64::from(u8::from(rng.random_bool(rates[arm]))) }
        })
        .collect()
}

/// Observations of users who return: each has a level of its own and an arm; `share` of them are treated.
fn returning(count: usize, users: u64, share: f64, seed: u64) -> Vec<Observation> {
    let mut rng = StdRng::seed_from_u64(seed);
    let levels: Vec<(usize, f64)> = (0..users).map(|_| (usize::from(rng.random_bool(share)), rng.random())).collect();
    (0..count)
        .map(|_| {
            // The square makes some users come back far more often than others.
            let unit = (rng.random::<f64>().powi(2) * users as f64) as usize;
            let (arm, level) = levels[unit];
            Observation { unit: unit as u64, arm, value: f64::from(u8::from(rng.random_bool(level))) }
        })
        .collect()
}

fn plan(units: u32) -> Plan {
    Plan::new(units, 0.05).unwrap()
}

#[test]
fn the_effect_by_hand() {
    let seen = [(1, 0, 1.0), (2, 0, 2.0), (3, 0, 3.0), (4, 0, 4.0), (5, 1, 3.0), (6, 1, 5.0), (7, 1, 7.0)];
    let seen = seen.map(|(unit, arm, value)| Observation { unit, arm, value });
    let got = compare(&seen, 0, 1, &plan(400));
    assert_eq!((got.control.units, got.treated.units, got.effect), (4, 3, Some(2.5)));
    let error = 1.75_f64.sqrt();
    assert!((got.standard_error.unwrap() - error).abs() < 1e-12);
    // Welch's t = 1.8898 with 3.2347 degrees of freedom; p by numeric integration of the density of t.
    assert!((got.p_value.unwrap() - 0.1484713).abs() < 1e-6, "{got:?}");
    let interval = got.interval.unwrap();
    assert!((0.5 * (interval.low + interval.high) - 2.5).abs() < 1e-9 && interval.low < 0.0);
    assert_eq!((got.decision, got.ended_at, got.last_look), (Some(Decision::Running), None, None));
    assert_eq!(got.next_look, Some(0.1));
}

#[test]
fn large_samples_have_the_normal_interval() {
    let seen = drawn(20_000, [0.5, 0.55], 1);
    let got = compare(&seen, 0, 1, &plan(400));
    let (effect, error, interval) = (got.effect.unwrap(), got.standard_error.unwrap(), got.interval.unwrap());
    assert!((interval.high - effect - 1.96 * error).abs() < 1e-3 * error);
    let mean = |arm: &Arm| (arm.mean.unwrap(), arm.units as f64);
    let ((p, m), (q, n)) = (mean(&got.control), mean(&got.treated));
    assert!((error - (p * (1.0 - p) / (m - 1.0) + q * (1.0 - q) / (n - 1.0)).sqrt()).abs() < 1e-9);
}

#[test]
fn a_large_difference_ends_the_test_early() {
    let seen = drawn(800, [0.3, 0.8], 2);
    let got = compare(&seen, 0, 1, &plan(400));
    assert_eq!(got.decision, Some(Decision::TreatedHigher));
    let look = got.last_look.unwrap();
    assert!(look.number < 5 && got.ended_at == Some(look.number) && got.next_look.is_none());
    assert!(look.z.unwrap() >= look.boundary && look.interval.unwrap().low > 0.0, "{look:?}");
    assert!(got.effect != look.effect, "the effect is that of all data, the look that of its time");
}

#[test]
fn no_difference_when_the_plan_is_full() {
    let got = compare(&drawn(900, [0.7, 0.7], 4), 0, 1, &plan(400));
    let look = got.last_look.unwrap();
    assert_eq!((got.decision, got.ended_at, look.fraction), (Some(Decision::NoDifference), Some(7), 1.0));
    assert!(look.z.unwrap().abs() < look.boundary && look.interval.unwrap().low < 0.0);
    assert!(got.fraction > 1.0 && got.next_look.is_none());
}

#[test]
fn swapped_arms_mirror_the_decision() {
    let plan = plan(400);
    for seed in 0..60 {
        let seen = drawn(900, [0.6, 0.7], seed);
        let (one, two) = (compare(&seen, 0, 1, &plan), compare(&seen, 1, 0, &plan));
        let mirrored = match one.decision {
            Some(Decision::TreatedHigher) => Some(Decision::TreatedLower),
            Some(Decision::TreatedLower) => Some(Decision::TreatedHigher),
            other => other,
        };
        assert_eq!((two.decision, two.ended_at), (mirrored, one.ended_at));
        assert_eq!(two.effect.unwrap(), -one.effect.unwrap());
        assert_eq!(two.p_value, one.p_value);
        assert_eq!(two.last_look.unwrap().z.unwrap(), -one.last_look.unwrap().z.unwrap());
    }
}

#[test]
fn data_after_the_end_change_no_decision() {
    let plan = plan(400);
    let mut calls = 0;
    for seed in 0..60 {
        let mut seen = drawn(1000, [0.6, 0.66], seed);
        let before = compare(&seen, 0, 1, &plan);
        seen.extend((0..500).map(|i| Observation { unit: 10_000 + i, arm: 1, value: 0.0 }));
        seen.extend((0..500).map(|i| Observation { unit: 20_000 + i, arm: 0, value: 1.0 }));
        let after = compare(&seen, 0, 1, &plan);
        assert_eq!(
            (after.decision, after.ended_at, after.last_look),
            (before.decision, before.ended_at, before.last_look)
        );
        assert!(after.effect.unwrap() < before.effect.unwrap() - 0.2);
        calls += usize::from(before.decision != Some(Decision::NoDifference));
    }
    assert!(calls > 5 && calls < 55, "{calls} of 60: both kinds of end must occur");
}

#[test]
fn every_prefix_agrees_with_the_path_of_the_whole() {
    for (seed, seen) in
        [drawn(260, [0.4, 0.65], 5), drawn(260, [0.5, 0.5], 6), returning(1200, 300, 0.5, 7)].iter().enumerate()
    {
        let plan = plan(100);
        let mut ended: Option<Comparison> = None;
        let mut looks = 0;
        for end in 0..=seen.len() {
            let now = compare(&seen[..end], 0, 1, &plan);
            let number = now.last_look.map_or(0, |look| look.number);
            assert!(number >= looks, "no look is ever taken back");
            looks = number;
            if let Some(ended) = &ended {
                assert_eq!(
                    (now.decision, now.ended_at, now.last_look),
                    (ended.decision, ended.ended_at, ended.last_look)
                );
            } else if now.ended_at.is_some() {
                ended = Some(now);
            } else {
                assert!(matches!(now.decision, None | Some(Decision::Running)), "{now:?}");
            }
        }
        assert!(ended.is_some(), "data set {seed} must be long enough");
    }
}

#[test]
fn degenerate_data_give_no_decision() {
    let plan = plan(400);
    let of = |values: &[(u64, usize, f64)]| -> Vec<Observation> {
        values.iter().map(|&(unit, arm, value)| Observation { unit, arm, value }).collect()
    };
    let constant: Vec<Observation> =
        (0..1000).map(|unit| Observation { unit, arm: unit as usize % 2, value: 0.1 }).collect();
    let apart: Vec<Observation> =
        (0..1000).map(|unit| Observation { unit, arm: unit as usize % 2, value: (unit % 2) as f64 }).collect();
    let one_arm: Vec<Observation> =
        (0..1000).map(|unit| Observation { unit, arm: 0, value: (unit % 3) as f64 }).collect();
    let one_unit = of(&[(1, 0, 1.0), (1, 0, 0.0), (2, 1, 1.0), (3, 1, 0.0)]);
    for seen in [vec![], constant, apart, one_arm, one_unit, of(&[(1, 0, f64::NAN), (2, 1, f64::INFINITY)])] {
        let got = compare(&seen, 0, 1, &plan);
        assert_eq!((got.decision, got.standard_error, got.p_value, got.interval), (None, None, None, None), "{got:?}");
        assert!(got.last_look.is_none_or(|look| look.z.is_none() && look.interval.is_none()));
        let same = compare(&seen, 0, 0, &plan);
        assert_eq!((same.decision, same.effect), (None, None));
    }
}

#[test]
fn extreme_values_never_give_nan() {
    let plan = plan(100);
    for scale in [1e-300, 1e-160, 1e150, 1e300, f64::MAX] {
        let seen: Vec<Observation> = drawn(300, [0.4, 0.6], 8)
            .into_iter()
            .map(|o| Observation { value: if o.value > 0.0 { scale } else { -scale }, ..o })
            .collect();
        let got = compare(&seen, 0, 1, &plan);
        let interval = |i: Option<Interval>| i.map_or([None, None], |i| [Some(i.low), Some(i.high)]);
        let look = got.last_look.unwrap();
        let mut all = vec![got.effect, got.standard_error, got.p_value, got.control.mean, got.control.standard_error];
        all.extend([look.z, look.effect]);
        all.extend(interval(got.interval).into_iter().chain(interval(look.interval)));
        assert!(all.into_iter().flatten().all(f64::is_finite), "{got:?}");
    }
}

#[test]
fn other_arms_and_bad_observations_are_left_out() {
    let clean = drawn(300, [0.5, 0.6], 9);
    let mut mixed = clean.clone();
    mixed.insert(50, Observation { unit: 9000, arm: 2, value: 77.0 });
    mixed.insert(60, Observation { unit: 9001, arm: 0, value: f64::NAN });
    // A unit that changes its arm counts in the first only.
    mixed.push(Observation { unit: clean[0].unit, arm: 1 - clean[0].arm, value: 1.0 });
    let (want, got) = (compare(&clean, 0, 1, &plan(100)), compare(&mixed, 0, 1, &plan(100)));
    assert_eq!(got.ignored, 2);
    assert_eq!(Comparison { ignored: 0, ..got }, want);
}

#[test]
fn a_small_plan_that_skips_looks_still_ends() {
    let got = compare(&drawn(40, [0.5, 0.5], 10), 0, 1, &plan(3));
    assert_eq!((got.decision, got.ended_at), (Some(Decision::NoDifference), Some(7)));
}

#[test]
fn clusters_widen_the_error_of_the_effect() {
    let seen = returning(3000, 200, 0.5, 11);
    let apart: Vec<Observation> = seen.iter().zip(0..).map(|(o, unit)| Observation { unit, ..*o }).collect();
    let (clustered, naive) = (compare(&seen, 0, 1, &plan(400)), compare(&apart, 0, 1, &plan(400)));
    assert!((clustered.effect.unwrap() - naive.effect.unwrap()).abs() < 1e-12);
    assert!(clustered.standard_error.unwrap() > 1.5 * naive.standard_error.unwrap());
}

#[test]
fn returning_users_keep_the_error_rate() {
    let plan = plan(100);
    let called = (0..1000)
        .filter(|seed| {
            let got = compare(&returning(900, 300, 0.5, *seed), 0, 1, &plan);
            matches!(got.decision, Some(Decision::TreatedHigher | Decision::TreatedLower))
        })
        .count();
    // Three standard errors above 5% of 1,000.
    assert!((25..=71).contains(&called), "{called}");
}

#[test]
fn simulations_repeat_and_count() {
    let plan = plan(50);
    let one = simulate(200, &plan, 0.4, 0.7, 1);
    assert_eq!(one, simulate(200, &plan, 0.4, 0.7, 1));
    assert_ne!(one, simulate(200, &plan, 0.4, 0.7, 2));
    assert!(one.higher > one.lower && one.called() <= one.runs && one.early <= one.called());
    let none = simulate(0, &plan, 0.4, 0.7, 1);
    assert_eq!((none.rate(), none.mean_units), (None, None));
    assert_eq!(simulate(20, &plan, f64::NAN, -3.0, 1).called(), 0);
}

#[test]
fn false_positives_stay_within_the_error() {
    for (units, runs, rates) in [(400, 500, [0.05, 0.5, 0.7, 0.9]), (50, 2000, [0.05, 0.5, 0.7, 0.9])] {
        let plan = plan(units);
        let limit = 0.05 + 3.0 * (0.05 * 0.95 / runs as f64).sqrt();
        for rate in rates {
            let got = simulate(runs, &plan, rate, rate, 1).rate().unwrap();
            assert!(got <= limit, "{units} {rate}: {got}, three standard errors above 5% are {limit}");
        }
    }
}

#[test]
fn ten_points_are_found_with_power_of_four_fifths() {
    let plan = plan(400);
    for (runs, control, treated) in [(2000, 0.5, 0.6), (500, 0.7, 0.8), (500, 0.8, 0.7)] {
        let got = simulate(runs, &plan, control, treated, 1);
        assert!(got.rate().unwrap() >= 0.8, "{control} {treated}: {got:?}");
        let (right, wrong) = if treated > control { (got.higher, got.lower) } else { (got.lower, got.higher) };
        assert!(right > 100 * wrong, "{got:?}");
    }
}

/// The aims: without a difference at most 5% of 1,000 experiments call one, and ten points are found in at least 80% of them.
#[test]
fn a_thousand_experiments_call_what_is_there_and_hardly_ever_what_is_not() {
    let plan = Plan::new(DEFAULT_UNITS, DEFAULT_ALPHA).unwrap();
    let called = |control, treated| simulate(1_000, &plan, control, treated, 2026).called();
    for rate in [0.5, 0.7, 0.9] {
        assert!(called(rate, rate) <= 50, "{rate}: {}", called(rate, rate));
    }
    for (control, treated) in [(0.7, 0.8), (0.5, 0.6)] {
        assert!(called(control, treated) >= 800, "{control}: {}", called(control, treated));
    }
}
