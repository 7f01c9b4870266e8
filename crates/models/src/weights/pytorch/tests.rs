//! Tests of PyTorch's files: every arrangement of numbers, and pickles that ask for more.

use std::path::Path;

use safetensors::SafeTensors;

use super::*;

fn fixture(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats/mixed");
    std::fs::read(folder.join(file)).unwrap()
}

/// A checkpoint with this pickle and one storage of 16 bytes.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in [("a/data.pkl", pickle), ("a/data/0", &[0; 16])] {
        let method = rawzip::CompressionMethod::STORE;
        let (mut entry, config) = writer.new_file(name).compression_method(method).start().unwrap();
        let mut counted = config.wrap(&mut entry);
        std::io::Write::write_all(&mut counted, content).unwrap();
        let (_, descriptor) = counted.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

fn failure(pickle: &[u8]) -> String {
    read(&archive(pickle)).unwrap_err().to_string()
}

/// `{"w": _rebuild_tensor_v2(storage "0" of `class`, 0, (size,), (1,))}`
fn tensor(class: &str, size: u8) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n".to_vec();
    pickle.extend_from_slice(class.as_bytes());
    pickle.extend_from_slice(b"\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0K");
    pickle.extend_from_slice(&[size, 0x85, b'K', 1, 0x85, 0x89]);
    pickle.extend_from_slice(b"ccollections\nOrderedDict\n)RtRs.");
    pickle
}

#[test]
fn every_number_format_and_arrangement_is_read_from_both_forms() {
    let reference = fixture("reference.safetensors");
    let expected = SafeTensors::deserialize(&reference).unwrap();
    for file in ["zip.bin", "legacy.bin"] {
        let bytes = fixture(file);
        let tensors = read(&bytes).unwrap();
        for (name, view) in expected.tensors() {
            let values: Vec<f32> =
                view.data().as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
            assert_eq!(tensors[&name].shape, view.shape(), "{name} of {file}");
            assert_eq!(tensors[&name].read(&bytes).unwrap(), values, "{name} of {file}");
        }
        assert_eq!(tensors["integers"].dtype, NumberFormat::other("I64"));
        assert_eq!(tensors["expanded"].shape, [1, 5]);
        assert_eq!(tensors["integers"].read(&bytes), None);
        assert_eq!(tensors.len(), expected.len() + 2);
    }
}

#[test]
fn a_pickle_that_asks_for_code_is_refused_by_name() {
    for (pickle, name) in [
        (&b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."[..], "`os.system`"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "`posix.system`"),
        (b"c__builtin__\neval\n.", "`__builtin__.eval`"),
        (b"cbuiltins\ngetattr\n.", "`builtins.getattr`"),
        (b"ctorch\nload\n.", "`torch.load`"),
        (b"ctorch._utils\n_rebuild_qtensor\n.", "`torch._utils._rebuild_qtensor`"),
        (b"ccollections\nOrderedDict.fromkeys\n.", "`collections.OrderedDict.fromkeys`"),
    ] {
        let failure = failure(pickle);
        assert!(failure.starts_with("refused: it asks to call") && failure.contains(name), "{failure}");
    }
}

#[test]
fn instructions_that_make_objects_are_refused_by_their_opcode() {
    for (pickle, opcode) in [
        (&b"(ios\nsystem\n."[..], "0x69"),
        (b"(ccollections\nOrderedDict\no.", "0x6f"),
        (b"ccollections\nOrderedDict\n)\x81.", "0x81"),
        (b"\x82\x01.", "0x82"),
        (b"P1\n.", "0x50"),
    ] {
        let failure = failure(pickle);
        assert!(failure.contains(&format!("opcode {opcode}")), "{failure}");
    }
}

#[test]
fn calls_and_attributes_that_no_weights_have_are_refused() {
    for pickle in [
        &b"X\x01\0\0\0a)R."[..],
        b"ccollections\nOrderedDict\n(K\x01tR.",
        b"ctorch\nFloatStorage\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"]}b.",
        b"K\x01Q.",
    ] {
        let failure = failure(pickle);
        assert!(failure.contains("its pickle is not"), "{failure}");
    }
}

#[test]
fn tensors_stay_inside_their_storage() {
    let found = read(&archive(&tensor("FloatStorage", 4))).unwrap();
    assert_eq!((found["w"].shape.as_slice(), &found["w"].dtype), (&[4][..], &NumberFormat::F32));
    for (class, size) in [("FloatStorage", 5), ("DoubleStorage", 3), ("HalfStorage", 9)] {
        let failure = failure(&tensor(class, size));
        assert!(failure.contains("numbers of `w` do not lie inside"), "{failure}");
    }
    assert!(failure(&tensor("ComplexFloatStorage", 1)).contains("`torch.ComplexFloatStorage`"));
}

#[test]
fn depth_length_and_sharing_cost_no_more_than_their_bytes() {
    let mut deep = b")".to_vec();
    deep.extend(std::iter::repeat_n(0x85, 1_000_000));
    deep.push(b'.');
    assert!(failure(&deep).contains("what was saved is not a mapping"));
    // Every list holds the one before twice.
    let mut doubling = b"]".to_vec();
    doubling.extend((0..200_000).flat_map(|_| *b"q\0](h\0h\0e"));
    doubling.push(b'.');
    assert!(failure(&doubling).contains("what was saved is not a mapping"));
    assert!(failure(b"\x8d\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF").contains("cut off"));
    assert!(failure(b"X\xFF\xFF\xFF\xFF").contains("cut off"));
    assert!(failure(&[b'N'; 1 << 25]).contains("its pickle is larger than"));
}

#[test]
fn what_is_no_mapping_from_names_to_tensors_says_so() {
    assert!(failure(b"}X\x05\0\0\0epochK\x03s.").contains("`epoch` is not a tensor"));
    assert!(failure(b"}K\x01K\x03s.").contains("not the name of a tensor"));
    assert!(failure(b"].").contains("what was saved is not a mapping"));
    assert!(read(b"not a pickle").unwrap_err().to_string().contains("opcode 0x6e"));
    assert!(read(b"K\x01.").unwrap_err().to_string().contains("not a checkpoint of PyTorch"));
    assert!(read(b"").unwrap_err().to_string().contains("cut off"));
    assert!(read(b"PK").unwrap_err().to_string().contains("not a whole PyTorch archive"));
}
