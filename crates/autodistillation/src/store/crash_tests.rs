//! A process that is killed after any write, or within one, loses no write that had returned.

use std::path::Path;
use std::process::Command;

use super::StudyStore;
use super::example::{apply, definition, expected, folder, shown, steps};

/// Set for the process that is to be killed: after how many writes.
const KILL_AFTER: &str = "AUTODISTILLATION_TEST_KILL_AFTER";
/// Set for the process that is to be killed: the study.
const STUDY: &str = "AUTODISTILLATION_TEST_STUDY";

/// Writes some steps and dies within the next transaction, without unwinding or closing anything.
fn write_and_die(path: &Path, writes: usize) -> ! {
    let mut store = StudyStore::open(path, &definition()).unwrap();
    steps()[..writes].iter().for_each(|step| apply(&mut store, step));
    let _ = store.write::<()>(|rows| {
        rows.execute("UPDATE trials SET state = 'FAIL'", [])?;
        rows.execute("DELETE FROM trial_user_attributes", [])?;
        std::process::abort()
    });
    std::process::abort()
}

#[test]
fn a_killed_process_loses_no_write_and_the_next_one_goes_on() {
    if let (Ok(writes), Ok(path)) = (std::env::var(KILL_AFTER), std::env::var(STUDY)) {
        write_and_die(Path::new(&path), writes.parse().unwrap());
    }
    for writes in 0..=steps().len() {
        let (_folder, path) = folder();
        let this = concat!(module_path!(), "::a_killed_process_loses_no_write_and_the_next_one_goes_on");
        let name = this.split_once("::").unwrap().1;
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(KILL_AFTER, writes.to_string())
            .env(STUDY, &path)
            .output()
            .unwrap();
        assert!(!status.status.success(), "the process was to be killed");
        let mut store = StudyStore::open(&path, &definition()).unwrap();
        assert_eq!(
            shown(&store.load().unwrap()),
            shown(&expected(&steps()[..writes])),
            "after {writes} writes"
        );
        steps()[writes..].iter().for_each(|step| apply(&mut store, step));
        assert_eq!(shown(&store.load().unwrap()), shown(&expected(&steps())), "killed after {writes} writes");
    }
}
