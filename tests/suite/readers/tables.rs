//! Text tables in every dress, labels beside a matrix, and lines that cannot be.

use cells::source::NamedSource;
use spec::dataset::{ColumnKind, FileFormat, PrepareOptions};

use super::build::{self, CELLS, GENES, cell_names, dense, gene_names, open, read, read_all, read_opened, to_dense};
use super::tenx::gzip;

/// How a table is written.
#[derive(Clone, Copy)]
pub struct Dress {
    pub separator: char,
    pub by_genes: bool,
    /// What stands above the row names; none leaves the field out, as R does.
    pub corner: Option<&'static str>,
    pub end: &'static str,
    pub is_quoted: bool,
    pub decimal: &'static str,
}

pub const PLAIN: Dress =
    Dress { separator: ',', by_genes: false, corner: Some(""), end: "\n", is_quoted: false, decimal: "" };

/// The matrix in a dress.
pub fn table(dress: Dress) -> String {
    let quote = |text: &str| if dress.is_quoted { format!("\"{text}\"") } else { text.to_owned() };
    let (rows, columns) = if dress.by_genes { (gene_names(), cell_names()) } else { (cell_names(), gene_names()) };
    let dense = dense();
    let mut header: Vec<String> = dress.corner.iter().map(|corner| quote(corner)).collect();
    header.extend(columns.iter().map(|name| quote(name)));
    let separator = dress.separator.to_string();
    let mut text = header.join(&separator) + dress.end;
    for (at, row) in rows.iter().enumerate() {
        let mut fields = vec![quote(row)];
        for across in 0..columns.len() {
            let (cell, gene) = if dress.by_genes { (across, at) } else { (at, across) };
            fields.push(format!("{}{}", dense[cell * GENES + gene], dress.decimal));
        }
        text += &(fields.join(&separator) + dress.end);
    }
    text
}

#[track_caller]
fn check(name: &str, bytes: Vec<u8>) -> cells::data::CellData {
    let opened = open(name, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let info = &opened.opened().matrices[0];
    assert_eq!(opened.opened().format, FileFormat::Table);
    assert_eq!((info.n_cells, info.n_genes), (CELLS, GENES), "{name}");
    let n_nonzero = dense().iter().filter(|value| **value != 0.0).count() as u64;
    assert!((n_nonzero..=(CELLS * GENES) as u64).contains(&info.n_stored), "{name}: {}", info.n_stored);
    let data = read_opened(&opened, &PrepareOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(to_dense(&data.counts), dense(), "{name}");
    assert_eq!((&data.barcodes, &data.genes.symbols), (&cell_names(), &gene_names()), "{name}");
    let orientation = |warning: &String| warning.contains("genes by cells") || warning.contains("cells by genes");
    assert!(data.warnings.iter().any(orientation), "{:?}", data.warnings);
    data
}

#[test]
fn a_table_reads_in_every_dress() {
    for separator in [',', ';', '\t', ' '] {
        for by_genes in [false, true] {
            for corner in [Some(""), Some("gene"), Some("barcode"), None] {
                // What stands there is believed.
                let is_false = corner.is_some_and(|corner| !corner.is_empty() && (corner == "gene") != by_genes);
                if is_false || (corner == Some("") && separator == ' ') {
                    continue;
                }
                for (end, is_quoted) in [("\n", false), ("\r\n", true)] {
                    let dress = Dress { separator, by_genes, corner, end, is_quoted, ..PLAIN };
                    let name = format!("{separator:?} {by_genes} {corner:?} {end:?}");
                    check(&name, table(dress).into_bytes());
                    check(&format!("{name} gz"), gzip(&table(dress)));
                    check(&format!("{name} mark"), [b"\xef\xbb\xbf", table(dress).as_bytes()].concat());
                }
            }
        }
    }
    for (separator, decimal) in [(';', ",0"), ('\t', ",00"), (',', ".0"), (';', "e0")] {
        for by_genes in [false, true] {
            let text = table(Dress { separator, decimal, by_genes, ..PLAIN });
            check(&format!("{separator} {decimal}"), text.into_bytes());
        }
    }
    // Lines before, after, and the last without its end.
    let text = table(PLAIN);
    check("comment", format!("# made by hand\n\n{}\n\n", text.trim_end()).into_bytes());
    check("no end", text.trim_end().as_bytes().to_vec());
}

#[test]
fn a_subsample_of_a_table_is_the_same_in_both_orientations() {
    for seed in 0..10 {
        let options = PrepareOptions { max_cells: Some(3), seed, ..PrepareOptions::default() };
        let read = |by_genes: bool| {
            let bytes = table(Dress { by_genes, ..PLAIN }).into_bytes();
            read_all(vec![NamedSource::from_bytes("a.csv", bytes)], &options).unwrap()
        };
        let (cells, genes) = (read(false), read(true));
        assert_eq!((cells.barcodes.len(), &cells.barcodes, &cells.counts), (3, &genes.barcodes, &genes.counts));
    }
}

#[test]
fn columns_of_text_are_labels_or_names() {
    let text = "barcode,condition,STAT1,JAK2,n_counts\nc0,ctrl,1,0,10\nc1,\"A, B\",0,2.5,20\nc2,,3,0,30\n";
    let opened = open("a.csv", text.into()).unwrap();
    let kinds: Vec<(&str, &ColumnKind)> =
        opened.opened().columns.iter().map(|column| (column.name.as_str(), &column.kind)).collect();
    let values = vec![("A, B".to_owned(), 1), ("ctrl".to_owned(), 1)];
    assert_eq!(kinds[0], ("condition", &ColumnKind::Labels { n_distinct: 2, values }));
    assert_eq!(kinds[1], ("n_counts", &ColumnKind::Numbers { min: Some(10.0), max: Some(30.0) }));
    let data = read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
    assert_eq!((to_dense(&data.counts), data.genes.symbols.len()), (vec![1.0, 0.0, 0.0, 2.5, 3.0, 0.0], 2));
    assert_eq!(data.perturbations.unwrap().names, ["ctrl", "A, B", "NA"]);

    let text = "gene_id\tgene_name\tc0\tc1\nENSG00000115415.3\tSTAT1\t1\t0\nENSG00000096968\t\t0\t7\n";
    let data = read("a.tsv", text.into()).unwrap();
    assert_eq!(to_dense(&data.counts), [1.0, 0.0, 0.0, 7.0]);
    assert_eq!(data.genes.symbols, ["STAT1", "ENSG00000096968"]);
    assert_eq!(data.genes.ids.unwrap()[0], "ENSG00000115415.3");
    assert_eq!(data.barcodes, ["c0", "c1"]);
}

#[test]
fn tables_without_some_of_their_names_read() {
    // No row names; a running number as index; cells that are numbered.
    for text in ["STAT1,JAK2\n1,0\n0,2\n", ",STAT1,JAK2\n0,1,0\n1,0,2\n", ",0,1,2\nSTAT1,1,0,0\nJAK2,0,2,0\n"] {
        let data = read("a.csv", text.into()).unwrap();
        assert_eq!(data.genes.symbols, ["STAT1", "JAK2"], "{text}");
        assert_eq!(to_dense(&data.counts)[..4], [1.0, 0.0, 0.0, 2.0], "{text}");
    }
    // No header: genes in rows.
    let data = read("a.txt", "STAT1 1 0 4\nJAK2 0 2 5\n".into()).unwrap();
    assert_eq!((data.genes.symbols, data.barcodes), (vec!["STAT1".into(), "JAK2".into()], cells(3)));
    fn cells(n: usize) -> Vec<String> {
        (0..n).map(|cell| cell.to_string()).collect()
    }
}

#[test]
fn repeated_names_are_told() {
    let data = read("a.csv", ",STAT1,STAT1,JAK2\nc0,1,2,3\nc0,4,5,6\n".into()).unwrap();
    assert_eq!(to_dense(&data.counts), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    for part in ["1 gene names are repeated (STAT1)", "1 cell names are repeated (c0)"] {
        assert!(data.warnings.iter().any(|warning| warning.contains(part)), "{:?}", data.warnings);
    }
}

#[test]
fn lines_that_cannot_be_are_named() {
    let refused = |text: &str| read("a.csv", text.into()).unwrap_err().to_string();
    let has = |message: String, part: &str| assert!(message.contains(part), "{part:?} is not in: {message}");
    let good = table(PLAIN);
    has(refused(&format!("{good}cell7,1,2\n")), "a.csv, line 9: has 3 fields; 6 are expected");
    has(refused(&format!("{good}cell7,1,2,3,4,5,6\n")), "line 9: has 7 fields");
    has(refused(&format!("{good}cell7,1,2,x,4,5\n")), "line 9: column 4 (MT-CO1) holds \"x\"; a number is expected");
    has(refused(&format!("{good}cell7,1,2,,4,5\n")), "line 9: column 4 (MT-CO1) is empty");
    has(refused(&format!("{good}cell7,1,2,inf,4,5\n")), "holds \"inf\"");
    has(refused(&format!("{good}\"cell7,1,2,3,4,5\n")), "line 9: has a quote that does not close");
    has(refused(&format!("{good}\"cell7\"x,1,2,3,4,5\n")), "line 9: has a quote");
    let by_genes = table(Dress { by_genes: true, ..PLAIN });
    has(refused(&format!("{by_genes}B2M,1,2,3,4,5,6,1e\n")), "line 7: column 8 (cell6) holds \"1e\"");
    has(refused(&format!("{};a\n", table(Dress { separator: ';', ..PLAIN }))), "has 2 fields");
    has(refused("1,2,3\n4,5,6\n7,8,10\n"), "numbers without names");
    has(refused(",STAT1,JAK2\n"), "a header and no row");
    has(refused("STAT1\nJAK2\n"), "its lines hold one field each");
    has(refused("cell,condition\nc0,ctrl\nc1,A\n"), "no column of numbers");
    let message = read("a.txt", b"\xff\xfea\0,\0".to_vec()).unwrap_err().to_string();
    has(message, "UTF-16 text; save it as UTF-8");
    let late = format!("# {}\n{}", "-".repeat(600), good.replace("cell0", "cell\0"));
    has(refused(&late), "zero bytes");
    let cut = gzip(&good);
    for length in (20..cut.len()).step_by(7) {
        has(read("a.csv.gz", cut[..length].to_vec()).unwrap_err().to_string(), "cut off");
    }
    // Names that fill the memory are refused before they do.
    let many: String = (0..2000).map(|cell| format!("a_rather_long_name_of_a_cell_{cell},1,2\n")).collect();
    let files = vec![NamedSource::from_bytes("a.csv", format!(",STAT1,JAK2\n{many}").into_bytes())];
    has(cells::read::open(files, 10_000).unwrap_err().to_string(), "the names of a.csv needs");
}

#[test]
fn labels_are_matched_by_barcode() {
    let matrix = || NamedSource::from_bytes("counts.csv", table(PLAIN).into_bytes());
    let h5ad = || NamedSource::from_bytes("counts.h5ad", build::plain_h5ad());
    // In another order, with a stranger, one cell left out.
    let labels = "sample,cell,condition,age\ns,cell6,A,6\ns,cell0,ctrl,0\ns,cell2,A,2\ns,cell1,ctrl,1\ns,cell3,B,3\n\
                  s,cell4,B,4\ns,other,C,9\n";
    let table_of = |text: &str| NamedSource::from_bytes("labels.csv", text.as_bytes().to_vec());
    for files in [vec![matrix(), table_of(labels)], vec![table_of(labels), h5ad()]] {
        let opened = cells::read::open(files, build::PLENTY).unwrap();
        let names: Vec<&str> = opened.opened().columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["sample", "condition", "age"]);
        let data = read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
        let labels = data.perturbations.unwrap();
        assert_eq!(labels.names, ["ctrl", "A", "B", "NA"]);
        assert_eq!(labels.codes, [0, 0, 1, 2, 2, 3, 1]);
        assert!(data.warnings.iter().any(|warning| warning.contains("labels.csv names 6 of 7 cells")));
    }
    let suffixed = labels.replace(",A,", "-1,A,").replace(",B,", "-1,B,").replace(",ctrl,", "-1,ctrl,");
    cells::read::open(vec![matrix(), table_of(&suffixed)], build::PLENTY).unwrap();
    let message = |files: Vec<NamedSource>| cells::read::open(files, build::PLENTY).unwrap_err().to_string();
    let strangers = message(vec![matrix(), table_of("cell,condition\nx,A\ny,B\n")]);
    assert!(strangers.contains("labels.csv names none of the cells: they are called cell0, its rows x"), "{strangers}");
    let several = message(vec![matrix(), table_of(labels), table_of(labels)]);
    assert!(several.contains("several tables"), "{several}");
}
