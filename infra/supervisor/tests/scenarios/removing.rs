use std::fs;

use crate::world::{World, launcher};
use crate::{BOTH, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a sandbox is removed whatever commands did to their directories", BOTH, hostile_trees),
    ("removal follows no link", BOTH, links),
    ("a directory that is no sandbox is left alone", BOTH, foreign),
    ("a directory closed by a command is opened again", BOTH, closed_directories),
];

fn hostile_trees(world: &World) {
    let sandbox = world.open();
    let script = "mkdir -p a/b/c && touch a/b/c/file && chmod 000 a/b/c a/b a; mkdir -p .removing-1/x ~/d/e && chmod 0 ~/d; \
                  perl -e 'for (1..3000) { mkdir \"deep\" and chdir \"deep\" or die $! } chmod 0, \"../deep\"'; chmod 000 .";
    assert!(world.run(&sandbox, script).succeeded());
    let directory = sandbox.directory().to_path_buf();
    sandbox.terminate();
    assert!(!directory.exists());
    sandbox::remove_directory(&directory).unwrap();
}

fn links(world: &World) {
    let outside = world.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "").unwrap();
    let sandbox = world.open();
    let outside_path = outside.display();
    let script = format!(
        "ln -s {outside_path} link; mkdir d; ln -s {outside_path} d/link; ln -s / d/root; ln -s nowhere dangling"
    );
    assert!(world.run(&sandbox, &script).succeeded());
    sandbox.terminate();
    assert!(outside.join("kept").exists());

    let link = world.root.path().join("link");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    assert!(sandbox::remove_directory(&link).is_err());
    assert!(outside.join("kept").exists());
}

fn foreign(world: &World) {
    let directory = world.specification().directory;
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("thesis"), "").unwrap();
    assert!(supervisor::start(&launcher(), &world.order()).is_err());
    assert!(sandbox::remove_directory(&directory).is_err());
    assert!(directory.join("thesis").exists());
}

fn closed_directories(world: &World) {
    let sandbox = world.open();
    world.run(&sandbox, "chmod 000 . ~ $TMPDIR");
    drop(sandbox);
    let sandbox = world.open();
    assert!(world.run(&sandbox, "touch file ~/file $TMPDIR/file").succeeded());
    sandbox.terminate();
}
