//! The mean of an arm and its variance when observations come in clusters.

use super::observation::Unit;

/// A sum of squares below this share of its terms is a rounding error and counts as zero.
const ROUNDING: f64 = 1e-12;

/// Running sums over the units of one arm, from which mean and variance follow at any time without another walk.
///
/// With S_u the sum and N_u the number of the values of unit u, the mean of the arm is the ratio sum(S_u) / sum(N_u).
/// Units are independent, observations are not. Values are kept less the first value of the arm, which changes no
/// variance and avoids the loss of digits when the mean is large against the spread.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    shift: Option<f64>,
    units: u64,
    /// sum(N_u), a whole number.
    count: f64,
    /// sum(S_u).
    sum: f64,
    /// sum(S_u^2).
    sum_sum: f64,
    /// sum(S_u N_u).
    sum_count: f64,
    /// sum(N_u^2).
    count_squares: f64,
    /// sum(N_u^3).
    count_cubes: f64,
}

impl Moments {
    /// Adds a value to a unit of this arm. Says whether the unit is new.
    pub(super) fn add(&mut self, unit: &mut Unit, value: f64) -> bool {
        let value = value - *self.shift.get_or_insert(value);
        let new = unit.count == 0.0;
        self.units += u64::from(new);
        self.count += 1.0;
        self.sum += value;
        self.sum_sum += value * (2.0 * unit.sum + value);
        self.sum_count += unit.sum + value * (unit.count + 1.0);
        self.count_squares += 2.0 * unit.count + 1.0;
        self.count_cubes += 3.0 * unit.count * (unit.count + 1.0) + 1.0;
        unit.sum += value;
        unit.count += 1.0;
        new
    }

    /// The number of units.
    pub(super) fn units(&self) -> u64 {
        self.units
    }

    /// The number of observations.
    pub(super) fn observations(&self) -> u64 {
        self.count as u64
    }

    /// The mean over all observations of the arm.
    pub(super) fn mean(&self) -> Option<f64> {
        self.shift.map(|shift| shift + self.sum / self.count).filter(|mean| mean.is_finite())
    }

    /// The variance of the mean; nothing with fewer than two units.
    ///
    /// With the residuals d_u = S_u - mean N_u it is c sum(d_u^2) / sum(N_u)^2: the first-order (delta method) variance
    /// of a ratio of two means over units (Deng, Knoblich & Lu 2018, "Applying the Delta Method in Metric Analytics",
    /// KDD). The factor c is that of `small_sample`. With one observation a unit this is the sample variance over n.
    pub(super) fn variance(&self) -> Option<f64> {
        if self.units < 2 {
            return None;
        }
        let ratio = self.sum / self.count;
        let size = self.sum_sum + ratio * ratio * self.count_squares;
        let squares = size - 2.0 * ratio * self.sum_count;
        let squares = if squares <= ROUNDING * size { 0.0 } else { squares };
        let variance = self.small_sample() * squares / (self.count * self.count);
        variance.is_finite().then_some(variance)
    }

    /// The factor that makes up for the mean being estimated from the same units.
    ///
    /// A unit with the share h_u = N_u / sum(N_u) of the observations pulls the mean towards itself. If the means of
    /// units have equal variance, the sum of the squared residuals is too small by 1 - 2 sum(h_u^3) / sum(h_u^2) +
    /// sum(h_u^2) on average (our derivation; Bell & McCaffrey 2002, Survey Methodology 28, treat the general case).
    /// That is (n - 1) / n for n units of the same size. It matters when a few units have many of the observations:
    /// with n - 1 alone, A/A tests of 50 to 100 such units an arm call a difference in 6% of the runs instead of 5%.
    fn small_sample(&self) -> f64 {
        let squares = self.count_squares / (self.count * self.count);
        let cubes = self.count_cubes / (self.count * self.count_squares);
        1.0 / (1.0 - 2.0 * cubes + squares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// The moments of units that each have the given values.
    fn of(units: &[Vec<f64>]) -> Moments {
        let mut moments = Moments::default();
        for values in units {
            let mut unit = Unit::new(0);
            for value in values {
                moments.add(&mut unit, *value);
            }
        }
        moments
    }

    #[test]
    fn one_observation_a_unit_is_the_sample_variance() {
        // 2, 4, 4, 10: mean 5, squared deviations 9 + 1 + 1 + 25 = 36, variance of the mean 36 / 3 / 4 = 3.
        let moments = of(&[vec![2.0], vec![4.0], vec![4.0], vec![10.0]]);
        assert_eq!((moments.units(), moments.observations(), moments.mean()), (4, 4, Some(5.0)));
        assert!((moments.variance().unwrap() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn clusters_by_hand() {
        // S = 3, 1, 0 and N = 3, 2, 1: mean 4/6, residuals 1, -1/3, -2/3, squares 14/9. Shares 1/2, 1/3, 1/6: their
        // squares sum to 7/18, their cubes to 1/6, so the factor is 1 / (1 - 6/7 + 7/18) = 126/67 and the variance
        // 126/67 * 14/9 / 36 = 49/603.
        let moments = of(&[vec![1.0, 1.0, 1.0], vec![1.0, 0.0], vec![0.0]]);
        assert!((moments.mean().unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert!((moments.variance().unwrap() - 49.0 / 603.0).abs() < 1e-12);
    }

    #[test]
    fn units_of_one_size_need_n_less_one() {
        // S = 2, 1, 0 and N = 2: mean 1/2, residuals 1, 0, -1; variance 3/2 * 2 / 36 = 1/12.
        let moments = of(&[vec![1.0, 1.0], vec![1.0, 0.0], vec![0.0, 0.0]]);
        assert!((moments.variance().unwrap() - 1.0 / 12.0).abs() < 1e-12);
    }

    #[test]
    fn the_variance_is_right_on_average_with_few_uneven_units() {
        // Ten units with 1, 2, ... 10 equal values each; the values of different units have variance 1/12.
        let mut rng = StdRng::seed_from_u64(12);
        let runs = 10_000;
        let mean: f64 = (0..runs)
            .map(|_| of(&(1..=10).map(|n| vec![rng.random::<f64>(); n]).collect::<Vec<_>>()).variance().unwrap())
            .sum::<f64>()
            / f64::from(runs);
        let want = 385.0 / (55.0 * 55.0) / 12.0;
        assert!((mean / want - 1.0).abs() < 0.02, "{mean} {want}");
    }

    #[test]
    fn the_order_of_observations_does_not_matter() {
        let mut moments = Moments::default();
        let (mut a, mut b, mut c) = (Unit::new(0), Unit::new(0), Unit::new(0));
        moments.add(&mut c, 0.0);
        moments.add(&mut a, 1.0);
        moments.add(&mut b, 0.0);
        moments.add(&mut a, 1.0);
        moments.add(&mut b, 1.0);
        moments.add(&mut a, 1.0);
        assert!((moments.variance().unwrap() - 49.0 / 603.0).abs() < 1e-12);
    }

    #[test]
    fn clusters_inflate_the_variance() {
        // The same values twice in each of 50 units are worth 50 observations, not 100.
        let single: Vec<Vec<f64>> = (0..50).map(|u| vec![f64::from(u % 2)]).collect();
        let double: Vec<Vec<f64>> = single.iter().map(|values| values.repeat(2)).collect();
        let apart: Vec<Vec<f64>> = double.iter().flatten().map(|value| vec![*value]).collect();
        let clustered = of(&double).variance().unwrap();
        assert!((clustered - of(&single).variance().unwrap()).abs() < 1e-15);
        assert!(clustered > 1.9 * of(&apart).variance().unwrap());
    }

    #[test]
    fn agrees_with_a_bootstrap_of_units() {
        let mut rng = StdRng::seed_from_u64(11);
        let units: Vec<Vec<f64>> = (0..400)
            .map(|_| {
                let level: f64 = rng.random();
                let length = rng.random_range(1..8);
                (0..length).map(|_| level + rng.random::<f64>()).collect()
            })
            .collect();
        let sums: Vec<(f64, f64)> = units.iter().map(|v| (v.iter().sum(), v.len() as f64)).collect();
        let means: Vec<f64> = (0..2000)
            .map(|_| {
                let picked = (0..sums.len()).map(|_| sums[rng.random_range(0..sums.len())]);
                let (sum, count) = picked.fold((0.0, 0.0), |(s, n), (value, one)| (s + value, n + one));
                sum / count
            })
            .collect();
        let centre = means.iter().sum::<f64>() / means.len() as f64;
        let bootstrap = means.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
        let ratio = of(&units).variance().unwrap() / bootstrap;
        // The standard error of the bootstrap variance is sqrt(2 / 2000) = 3.2% of it.
        assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
    }

    #[test]
    fn a_large_mean_loses_no_digits() {
        let moments = of(&[vec![1e9 + 2.0], vec![1e9 + 4.0], vec![1e9 + 4.0], vec![1e9 + 10.0]]);
        assert!((moments.variance().unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn degenerate_arms() {
        assert_eq!((Moments::default().mean(), Moments::default().variance()), (None, None));
        assert_eq!(of(&[vec![1.0, 2.0]]).variance(), None);
        assert_eq!(of(&[vec![0.1], vec![0.1, 0.1], vec![0.1]]).variance(), Some(0.0));
        // All units have the mean one half, so the ratio has no variance although the values have.
        assert_eq!(of(&[vec![0.0, 1.0], vec![1.0, 0.0, 0.0, 1.0], vec![1.0, 0.0]]).variance(), Some(0.0));
        assert_eq!(of(&[vec![1e300], vec![-1e300], vec![1e300]]).variance(), None);
    }
}
