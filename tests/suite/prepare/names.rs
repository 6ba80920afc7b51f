//! Names of genes in current symbols: by a small table, and by the public one where it is.

use std::path::Path;

use cells::genes::GeneNames;
use cells::genes::table::{GeneTable, Meaning, Translation};
use cells::prepare::gene_sets::GeneSet;
use cells::read::ReadError;
use cells::source::NamedSource;

const TABLE: &str = "entrez\tsymbol\tensembl\taliases\n\
    1\tSEPTIN7\tENSG00000122545\tSEPT7,CDC10,SEPTIN7\n\
    2\tTAFAZZIN\tENSG00000102125\tTAZ,BTHS\n\
    3\tWWTR1\tENSG00000018408\tTAZ\n\
    4\tNAT1\tENSG00000171428\tAAC1\n\
    5\tEIF4G2\tENSG00000110321,ENSG00000999999\tNAT1,DAP5\n\
    6\tCOX2\tENSG00000198712\tCOII,MTCO2,COX2\n\
    7\tMTCO2P12\tENSG00000229344\tMT-CO2,MTCO2,COX2\n\
    8\t\tENSG00000000001\tnothing\n\
    9\tSHORT\n";

fn table() -> GeneTable {
    GeneTable::read(&NamedSource::from_bytes("genes.tsv", TABLE.into())).unwrap()
}

fn check(name: &str, meaning: Meaning<'_>) {
    assert_eq!(table().meaning(name), meaning, "{name}");
}

#[test]
fn a_name_means_what_the_table_says() {
    check("SEPTIN7", Meaning::Current);
    check("SEPT7", Meaning::Renamed("SEPTIN7"));
    check("sept7", Meaning::Missing);
    check("ENSG00000122545.12", Meaning::Id("SEPTIN7"));
    check("ENSG00000999999", Meaning::Id("EIF4G2"));
    check("TAZ", Meaning::Ambiguous(vec!["TAFAZZIN", "WWTR1"]));
    // A symbol, though an alias of another gene as well.
    check("NAT1", Meaning::Current);
    check("MT-CO2", Meaning::Current);
    check("ENSG00000198712", Meaning::Id("MT-CO2"));
    check("COX2", Meaning::Ambiguous(vec!["MT-CO2", "MTCO2P12"]));
    check("MTCO2P12", Meaning::Current);
    check("SHORT", Meaning::Current);
    check("nothing", Meaning::Missing);
    check("", Meaning::Missing);
    assert_eq!(table().n_symbols(), 8);
}

#[test]
fn ids_are_those_of_the_gene_that_a_name_means() {
    let names = ["SEPT7", "EIF4G2", "TAZ", "SHORT", "ENSG00000122545.12"].map(str::to_owned);
    assert_eq!(table().ids_of(&names), ["ENSG00000122545", "ENSG00000110321", "", "", "ENSG00000122545"]);
}

fn translate(symbols: &[&str], ids: Option<&[&str]>) -> Translation {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    table().translate(&GeneNames { symbols: own(symbols), ids: ids.map(own) })
}

#[test]
fn a_file_is_translated_and_what_is_not_plain_is_said() {
    let found = translate(&["NAT1", "SEPT7", "TAZ", "MIRACLE", "ENSG00000110321.4"], None);
    assert_eq!(found.symbols, ["NAT1", "SEPTIN7", "TAZ", "MIRACLE", "EIF4G2"]);
    assert_eq!((found.n_current, found.n_by_id), (1, 1));
    assert_eq!(found.renamed, [(1, "SEPT7".into(), "SEPTIN7".into())]);
    assert_eq!(found.ambiguous, [(2, "TAZ".into(), vec!["TAFAZZIN".into(), "WWTR1".into()])]);
    assert_eq!(found.missing, [(3, "MIRACLE".into())]);
    assert!(found.duplicates.is_empty());
    // The file's own ids decide what a name leaves open.
    let found = translate(&["TAZ", "MIRACLE", "NAT1"], Some(&["ENSG00000018408", "ENSG00000102125.1", ""]));
    assert_eq!(found.symbols, ["WWTR1", "TAFAZZIN", "NAT1"]);
    assert_eq!((found.n_current, found.n_by_id, found.ambiguous.len(), found.missing.len()), (1, 2, 0, 0));
}

#[test]
fn a_symbol_goes_to_the_column_with_most_right_to_it() {
    let found = translate(&["SEPT7", "CDC10", "ENSG00000122545", "SEPTIN7", "SEPTIN7"], None);
    assert_eq!(found.symbols, ["SEPT7", "CDC10", "ENSG00000122545", "SEPTIN7", "SEPTIN7"]);
    assert_eq!(found.duplicates, [("SEPTIN7".into(), vec![0, 1, 2, 3, 4])]);
    let found = translate(&["SEPT7", "CDC10", "ENSG00000122545"], None);
    assert_eq!(found.symbols, ["SEPT7", "CDC10", "SEPTIN7"]);
    let found = translate(&["SEPT7", "CDC10"], None);
    assert_eq!(found.symbols, ["SEPTIN7", "CDC10"]);
    assert_eq!(found.duplicates, [("SEPTIN7".into(), vec![0, 1])]);
    assert_eq!(translate(&[], None), Translation::default());
}

#[test]
fn hgncs_columns_are_known_and_other_tables_refused() {
    let hgnc = "hgnc_id\tsymbol\talias_symbol\tprev_symbol\tensembl_gene_id\n\
        HGNC:1717\tSEPTIN7\t\"CDC3|Nbla02942\"\t\"CDC10|SEPT7\"\tENSG00000122545\n";
    let table = GeneTable::read(&NamedSource::from_bytes("hgnc.txt", hgnc.into())).unwrap();
    for name in ["CDC3", "Nbla02942", "CDC10", "SEPT7"] {
        assert_eq!(table.meaning(name), Meaning::Renamed("SEPTIN7"), "{name}");
    }
    let refused = |bytes: &[u8]| -> ReadError {
        GeneTable::read(&NamedSource::from_bytes("cells.csv", bytes.to_vec())).unwrap_err()
    };
    let said = refused(b"gene,a,b\nSTAT1,1,2\n").to_string();
    assert!(said.contains("cells.csv") && said.contains("no column 'symbol'"), "{said}");
    assert!(refused(b"").to_string().contains("no column 'symbol'"));
    // A gzip stream that is cut off.
    let _ = refused(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b]);
}

#[test]
fn the_public_table_knows_what_genes_were_called() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/genes/human_genes_orgHsEg_3.16.tsv.gz");
    let Ok(bytes) = std::fs::read(path) else {
        crate::say_skipped("../shared/data is absent, its table of genes is not read");
        return;
    };
    let table = GeneTable::read(&NamedSource::from_bytes("human_genes.tsv.gz", bytes)).unwrap();
    // 55,046 rows; RNR1 and RNR2 are each the symbol of two genes, of which the mitochondrial ones are renamed.
    assert_eq!(table.n_symbols(), 55_046);
    for (name, meaning) in [
        ("STAT1", Meaning::Current),
        ("SEPT7", Meaning::Renamed("SEPTIN7")),
        ("MARCH1", Meaning::Renamed("MARCHF1")),
        ("C7orf26", Meaning::Renamed("INTS15")),
        ("KIAA0101", Meaning::Renamed("PCLAF")),
        ("TAZ", Meaning::Ambiguous(vec!["TAFAZZIN", "WWTR1"])),
        ("ENSG00000115415.20", Meaning::Id("STAT1")),
        ("ENSG00000156273", Meaning::Ambiguous(vec!["BACH1", "GRIK1-AS2"])),
        ("ENSG00000198712", Meaning::Id("MT-CO2")),
        ("Stat1", Meaning::Missing),
    ] {
        assert_eq!(table.meaning(name), meaning, "{name}");
    }
    let named = ["ATP6", "ATP8", "CO1", "CO2", "CO3", "CYB", "ND1", "ND2", "ND3", "ND4", "ND4L", "ND5", "ND6", "RNR1"];
    for name in named.map(|name| format!("MT-{name}")) {
        assert_eq!(table.meaning(&name), Meaning::Current, "{name}");
        assert!(GeneSet::Mitochondrial.contains(&name, None));
    }
}
