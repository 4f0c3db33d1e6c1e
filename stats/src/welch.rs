//! The difference of two arms: effect, standard error, and Student's t distribution for small experiments.

use super::moments::Moments;
use super::normal::{two_sided, upper_quantile};
use serde::{Deserialize, Serialize};
use statrs::function::beta::checked_beta_reg;

/// Up to this many degrees of freedom t is exact, above it Hill's expansion is as good.
const EXACT_UP_TO: f64 = 100.0;

/// Beyond this many standard errors an interval says nothing.
const WIDEST: f64 = 1e9;

/// An interval of a difference of means, in the unit of measurement of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The difference of two arms that can be tested: both have two units or more, and there is some variance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Welch {
    /// mean(treated) - mean(control).
    pub(super) effect: f64,
    /// The unpooled standard error of the effect: the root of the sum of the variances of both means.
    pub(super) standard_error: f64,
    degrees: f64,
}

impl Welch {
    /// The difference between two arms, if it can be tested. The degrees of freedom count units and are those of
    /// Welch (1947, Biometrika 34) and Satterthwaite (1946).
    pub(super) fn new(control: &Moments, treated: &Moments) -> Option<Self> {
        let effect = treated.mean()? - control.mean()?;
        let (a, b) = (control.variance()?, treated.variance()?);
        let standard_error = (a + b).sqrt();
        if !(effect.is_finite() && standard_error.is_finite() && standard_error > 0.0) {
            return None;
        }
        // Shares of the variance instead of variances, so that nothing under- or overflows.
        let (a, b) = (a / (a + b), b / (a + b));
        let degrees = 1.0 / (a * a / (control.units() as f64 - 1.0) + b * b / (treated.units() as f64 - 1.0));
        (degrees.is_finite() && degrees > 0.0).then_some(Self { effect, standard_error, degrees })
    }

    /// The effect in standard errors, on the scale of the standard normal distribution: the value that a normal
    /// exceeds as rarely as Student's t exceeds effect / standard error. Never beyond 38 either way.
    ///
    /// To compare this with a boundary is the significance level approach to sequential t tests (Jennison & Turnbull
    /// 2000, ch. 3). It keeps the error right in small experiments, where the ratio itself strays further.
    pub(super) fn z(&self) -> f64 {
        let t = self.effect / self.standard_error;
        normal_equivalent(t.abs(), self.degrees).copysign(t)
    }

    /// The two-sided p value of the effect.
    pub(super) fn p_value(&self) -> f64 {
        two_sided(self.z())
    }

    /// The interval of all effects whose z is within `boundary` of the one seen. Nothing if it is absurdly wide, as
    /// with two units an arm.
    pub(super) fn interval(&self, boundary: f64) -> Option<Interval> {
        let reach = student_equivalent(boundary, self.degrees)? * self.standard_error;
        let interval = Interval { low: self.effect - reach, high: self.effect + reach };
        (interval.low.is_finite() && interval.high.is_finite()).then_some(interval)
    }
}

/// The normal quantile with the upper tail that Student's t with these degrees of freedom has beyond `t` >= 0.
fn normal_equivalent(t: f64, degrees: f64) -> f64 {
    let largest = upper_quantile(f64::MIN_POSITIVE);
    if degrees > EXACT_UP_TO {
        return hill(t, degrees).min(largest);
    }
    // P(T > t) = I(degrees / (degrees + t^2); degrees / 2, 1 / 2) / 2 (Abramowitz & Stegun 1964, ch. 26).
    match checked_beta_reg(0.5 * degrees, 0.5, degrees / (degrees + t * t)) {
        Ok(both) => upper_quantile((0.5 * both).max(f64::MIN_POSITIVE)).max(0.0),
        Err(_) => hill(t, degrees).min(largest),
    }
}

/// The expansion of Hill (1970, Algorithm 395, Communications of the ACM 13) of the same quantile.
fn hill(t: f64, degrees: f64) -> f64 {
    let a = degrees - 0.5;
    let b = 48.0 * a * a;
    let y = a * (t * t / degrees).ln_1p();
    let tail = (((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b);
    ((tail + y + 3.0) / b + 1.0) * y.sqrt()
}

/// The inverse of `normal_equivalent`, by bisection on the logarithm of t.
fn student_equivalent(z: f64, degrees: f64) -> Option<f64> {
    let (mut low, mut high) = (1e-6_f64.ln(), WIDEST.ln());
    if normal_equivalent(WIDEST, degrees) < z {
        return None;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if normal_equivalent(middle.exp(), degrees) < z {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high.exp())
}

/// The normal quantile of a two-sided 95% interval.
pub(super) fn ninety_five() -> f64 {
    upper_quantile(0.025)
}

#[cfg(test)]
mod tests {
    use super::super::{normal::upper_tail, observation::Unit};
    use super::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        for value in values {
            moments.add(&mut Unit::new(0), *value);
        }
        moments
    }

    #[test]
    fn by_hand() {
        // Control 1, 2, 3, 4: mean 2.5, variance 5/3. Treated 3, 5, 7: mean 5, variance 4.
        let welch = Welch::new(&of(&[1.0, 2.0, 3.0, 4.0]), &of(&[3.0, 5.0, 7.0])).unwrap();
        let (a, b): (f64, f64) = (5.0 / 12.0, 4.0 / 3.0);
        assert!((welch.effect - 2.5).abs() < 1e-12);
        assert!((welch.standard_error - 1.75_f64.sqrt()).abs() < 1e-12);
        assert!((welch.degrees - (a + b).powi(2) / (a * a / 3.0 + b * b / 2.0)).abs() < 1e-12);
    }

    #[test]
    fn table_values_of_students_t() {
        // Two-sided 5% points of t (any table): 12.706 (1), 4.303 (2), 2.776 (4), 2.228 (10), 2.042 (30), 1.984 (100).
        for (degrees, point) in
            [(1.0, 12.7062), (2.0, 4.3027), (4.0, 2.7764), (10.0, 2.2281), (30.0, 2.0423), (100.0, 1.9840)]
        {
            assert!((normal_equivalent(point, degrees) - ninety_five()).abs() < 1e-4, "{degrees}");
            assert!((student_equivalent(ninety_five(), degrees).unwrap() - point).abs() < 1e-3, "{degrees}");
        }
        assert!((normal_equivalent(1.962_339, 1000.0) - ninety_five()).abs() < 1e-5);
    }

    #[test]
    fn the_two_forms_meet() {
        for t in [0.01, 0.5, 2.0, 5.0, 8.0, 20.0] {
            let exact = normal_equivalent(t, EXACT_UP_TO);
            assert!((exact - hill(t, EXACT_UP_TO)).abs() < 1e-6 * exact.max(1.0), "{t}: {exact}");
        }
    }

    #[test]
    fn boundary_and_interval_agree() {
        for (control, treated) in
            [(vec![1.0, 2.0, 3.0, 4.0], vec![3.0, 5.0, 7.0, 5.5]), (vec![0.0, 1.0, 0.5], vec![9.0, 9.5, 9.1])]
        {
            let welch = Welch::new(&of(&control), &of(&treated)).unwrap();
            let touching = welch.interval(welch.z()).unwrap();
            assert!(touching.low.abs() < 1e-6, "{touching:?}");
            assert!(welch.interval(welch.z() + 0.01).unwrap().low < 0.0);
            assert!(welch.interval(welch.z() - 0.01).unwrap().low > 0.0);
        }
    }

    #[test]
    fn nothing_without_variance_and_never_nan() {
        assert!(Welch::new(&of(&[1.0, 1.0]), &of(&[2.0, 2.0])).is_none());
        assert!(Welch::new(&of(&[1.0]), &of(&[2.0, 3.0])).is_none());
        let far = Welch::new(&of(&[0.0, 1e-9, 0.0]), &of(&[1e9, 1e9, 1e9])).unwrap();
        assert!(far.z().is_finite() && far.p_value().is_finite());
        let many: Vec<f64> = (0..300).map(|i| f64::from(i % 2)).collect();
        let moved: Vec<f64> = many.iter().map(|v| v + 1e6).collect();
        assert!(Welch::new(&of(&many), &of(&moved)).unwrap().z() <= 38.0);
        assert!(upper_tail(38.0) < f64::MIN_POSITIVE);
    }
}
