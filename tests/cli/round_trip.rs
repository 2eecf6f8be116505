//! The output of `check` is a file of the same experiment or sweep.

use std::path::Path;

use kadsim::inputs::InputError;
use kadsim::sweep::{Study, Task};
use kadsim::watch::Watch;

use super::closing::study;
use crate::support::Dir;

#[track_caller]
fn load(path: &Path) -> Result<Task, InputError> {
    kadsim::sweep::load(path, &[], Watch::SILENT)
}

/// Returns the folder and the experiment of each cell.
fn cells(study: &Study) -> Vec<String> {
    let cells = study.cells.iter();
    let cell = |cell: &kadsim::sweep::StudyCell| {
        format!(
            "{}\n{}",
            cell.cell.folder().display(),
            cell.loaded.experiment.to_toml()
        )
    };
    cells.map(cell).collect()
}

/// The output of `check` for each experiment file of the repository is the same experiment or sweep.
#[test]
fn what_check_prints_of_each_experiment_is_the_same_experiment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = Dir::new();
    let (mut studies, mut others) = (0, 0);
    for folder in ["experiments", "experiments/published", "tests/cluster"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let again = |text: &str| {
                dir.write("again.toml", text);
                load(&dir.path("again.toml")).unwrap()
            };
            match load(&path).unwrap() {
                Task::One(one, _) => {
                    let text = one.experiment.to_toml();
                    let Task::One(same, _) = again(&text) else {
                        panic!("{text}")
                    };
                    assert_eq!(same.experiment.to_toml(), text);
                    others += 1;
                }
                Task::Study(study) => {
                    let text = study.to_toml();
                    let Task::Study(same) = again(&text) else {
                        panic!("{text}")
                    };
                    assert_eq!(cells(&same), cells(&study), "{}", path.display());
                    assert_eq!(same.to_toml(), text);
                    studies += 1;
                }
            }
        }
    }
    assert!(
        studies >= 5 && others >= 5,
        "{studies} studies, {others} others"
    );
}

#[test]
fn the_output_of_check_is_a_file_that_checks_alike_and_runs_the_same() {
    let dir = Dir::new();
    study(
        &dir,
        "\"lookup.alpha\" = [1, 3]\n[[sweep.cases]]\nlabel = \"a\"\n[[sweep.cases]]\nlabel = \"b\"\n\"lookup.beta\" = 5\n",
    );
    let text = dir.read("grid.toml");
    let expect = "\n[[expect]]\nmetric = \"getting.attempts.count\"\nwithin = [20, 20]\nwhere = { case = \"b\" }\n";
    dir.write("grid.toml", text + expect);
    let first = dir.kadsim(&["check", "grid.toml"]).ends(0).stdout;
    dir.write("again.toml", &first);
    assert_eq!(dir.kadsim(&["check", "again.toml"]).ends(0).stdout, first);
    dir.kadsim(&["run", "grid.toml", "--quiet"]).ends(0);
    // It is the same study, so all of its cells are done already.
    let again = dir.kadsim(&["run", "again.toml"]).ends(0);
    assert!(
        again.stdout.contains("4 of 4 cells done, 0 run now"),
        "{}",
        again.stdout
    );
    assert!(
        again.stdout.contains("2 of 2 expectations hold"),
        "{}",
        again.stdout
    );
}
