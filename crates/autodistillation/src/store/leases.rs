//! Leases: which worker has a running trial, and until when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Error, StudyStore};

impl StudyStore {
    /// Takes or renews a worker's lease on a running trial; `false` where another worker holds it.
    ///
    /// A lease that its owner has not renewed within its lifetime is free, so the trial of a machine that
    /// died goes to the next one that asks.
    ///
    /// # Errors
    /// A trial that was never begun or that has ended, or a store that cannot be written.
    pub fn take_lease(&mut self, number: u32, owner: &str, lifetime: Duration) -> Result<bool, Error> {
        let now = seconds_since_1970();
        self.write(|rows| {
            let trial_id = rows.running_trial(number)?;
            let take = "INSERT INTO autodistillation_leases (trial_id, owner, deadline) VALUES (?1, ?2, ?3)
                ON CONFLICT (trial_id) DO UPDATE SET owner = excluded.owner, deadline = excluded.deadline
                WHERE autodistillation_leases.owner = excluded.owner OR autodistillation_leases.deadline <= ?4";
            Ok(rows.execute(take, (trial_id, owner, now + lifetime.as_secs_f64(), now))? > 0)
        })
    }

    /// Gives a lease back; nothing happens where the worker does not hold it.
    ///
    /// # Errors
    /// A trial that was never begun or that has ended, or a store that cannot be written.
    pub fn release_lease(&mut self, number: u32, owner: &str) -> Result<(), Error> {
        self.write(|rows| {
            let trial_id = rows.running_trial(number)?;
            rows.execute(
                "DELETE FROM autodistillation_leases WHERE trial_id = ?1 AND owner = ?2",
                (trial_id, owner),
            )?;
            Ok(())
        })
    }
}

/// The wall clock, which machines share; before 1970 counts as 1970.
fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::super::example::{definition, folder, pending};
    use super::*;
    use autodistillation_search::Outcome;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn one_worker_at_a_time_holds_a_trial() {
        let (_folder, path) = folder();
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        let mut other = StudyStore::open(&path, &definition()).unwrap();
        store.begin_trial(&pending(0, 3)).unwrap();
        assert!(store.take_lease(0, "a", HOUR).unwrap());
        assert!(!other.take_lease(0, "b", HOUR).unwrap());
        other.release_lease(0, "b").unwrap();
        assert!(!other.take_lease(0, "b", HOUR).unwrap(), "b cannot give back what a holds");
        assert!(store.take_lease(0, "a", Duration::ZERO).unwrap(), "a renews, for no time at all");
        assert!(other.take_lease(0, "b", HOUR).unwrap(), "a lease that ran out is free");
        other.release_lease(0, "b").unwrap();
        assert!(store.take_lease(0, "a", HOUR).unwrap());
        store.finish_trial(0, &Outcome::Failed("diverged".to_owned())).unwrap();
        assert!(other.take_lease(0, "b", HOUR).is_err(), "a trial that has ended has no lease");
    }
}
