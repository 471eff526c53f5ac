//! `src/gen` is what the `.proto` files say. `make gen` writes it anew (it runs this test with `HANSARD_GEN=1`).

use std::{fs, path::Path};

use prost::Message;

const FILES: [&str; 9] = [
    "hansard/v1/session.proto",
    "hansard/v1/event.proto",
    "hansard/v1/room.proto",
    "hansard/v1/message.proto",
    "hansard/v1/person.proto",
    "hansard/v1/cluster.proto",
    "hansard/cluster/v1/peer.proto",
    "hansard/cluster/v1/edge.proto",
    "google/rpc/error_details.proto",
];

#[test]
fn generated_code_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().unwrap();
    let set = protox::Compiler::new([root.join("proto")])
        .unwrap()
        .include_imports(true)
        .include_source_info(true)
        .open_files(FILES)
        .unwrap()
        .file_descriptor_set();
    let mut config = tonic_prost_build::Config::new();
    config.bytes(["."]).enable_type_names();
    tonic_prost_build::configure()
        .out_dir(fresh.path())
        .emit_rerun_if_changed(false)
        .build_transport(false)
        .compile_fds_with_config(set.clone(), config)
        .unwrap();
    let mut bare = set;
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    fs::write(fresh.path().join("descriptors.bin"), bare.encode_to_vec()).unwrap();

    let kept = root.join("src/gen");
    let write = std::env::var_os("HANSARD_GEN").is_some();
    for entry in fs::read_dir(fresh.path()).unwrap() {
        let entry = entry.unwrap();
        let new = fs::read(entry.path()).unwrap();
        let old = kept.join(entry.file_name());
        if write {
            fs::write(&old, &new).unwrap();
        }
        assert!(
            fs::read(&old).ok().as_deref() == Some(&new[..]),
            "{} is not what the .proto files say; run `make gen`",
            old.display()
        );
    }
}
