//! Sets of genes from a `.gmt`: a small one, what is none, and the public ones where they are.

use std::path::Path;

use cells::genes::pathways::{Pathway, read};
use cells::source::NamedSource;

use super::tenx::gzip;

fn read_bytes(bytes: &[u8]) -> Result<Vec<Pathway>, String> {
    read(&NamedSource::from_bytes("sets.gmt", bytes.to_vec())).map_err(|error| error.to_string())
}

#[test]
fn sets_are_read_once_each_with_their_genes_once_each() {
    let text = "ONE\thttp://x\tSTAT1\tJAK2\tSTAT1\r\n\nTWO\t\tIRF1\t\nEMPTY\tnothing\nONE\tagain\tMYC\n";
    let set = |name: &str, genes: &[&str]| Pathway {
        name: name.into(),
        genes: genes.iter().map(|gene| (*gene).to_owned()).collect(),
    };
    let expected = vec![set("ONE", &["STAT1", "JAK2"]), set("TWO", &["IRF1"])];
    assert_eq!(read_bytes(text.as_bytes()).as_ref(), Ok(&expected));
    assert_eq!(read_bytes(&gzip(text)), Ok(expected));
}

fn check_refused(bytes: &[u8], said: &str) {
    let message = read_bytes(bytes).expect_err(said);
    assert!(message.contains("sets.gmt") && message.contains(said), "{message}");
}

#[test]
fn what_is_no_gmt_is_refused() {
    check_refused(b"", "no gene set");
    check_refused(b"A\tonly a description\n", "no gene set");
    check_refused(b"STAT1\nJAK2\n", "line 1");
    check_refused(b"ONE\tx\tSTAT1\n\tno name\tJAK2\n", "line 2");
    let whole = gzip("ONE\tx\tSTAT1\tJAK2\n");
    check_refused(&whole[..whole.len() - 6], "cut");
}

#[test]
fn any_bytes_are_sets_or_an_error() {
    let text = b"ONE\thttp://x\tSTAT1\tJAK2\nTWO\t\tIRF1\n";
    for end in 0..text.len() {
        let _ = read_bytes(&text[..end]);
        let mut bytes = text.to_vec();
        bytes[end] = 0xff;
        let _ = read_bytes(&bytes);
    }
}

#[test]
fn public_collections_are_read_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/genes");
    // Counted by `wc -l`, and the genes of the first line by `awk -F'\t' '{print NF - 2}'`.
    for (name, n_sets, first) in
        [("h.all.v2023.2.Hs.symbols.gmt", 50, 200), ("c2.cp.reactome_wp_pid.v7.5.1.symbols.gmt.gz", 2475, 34)]
    {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            crate::say_skipped(&format!("../shared/data/genes/{name} is absent"));
            continue;
        };
        let sets = read_bytes(&bytes).unwrap();
        assert_eq!((sets.len(), sets[0].genes.len()), (n_sets, first), "{name}");
    }
}
