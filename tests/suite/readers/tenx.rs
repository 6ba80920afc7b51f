//! 10x files: HDF5 of both versions, Matrix Market in its three files.

use std::io::Write;

use cells::source::NamedSource;
use hdf5_pure::FileBuilder;
use spec::dataset::{FileFormat, PrepareOptions};

use super::build::{self, CELLS, GENES, cell_names, dense, gene_names, open, read_all, refs, sparse, to_dense};

const IDS: [&str; GENES] =
    ["ENSG00000115415", "ENSG00000096968", "ENSG00000198804", "ENSG00000027697", "ENSG00000111640"];

pub fn tenx_h5(is_v3: bool) -> Vec<u8> {
    let mut file = FileBuilder::new();
    let rows = sparse(true);
    let mut group = file.create_group(if is_v3 { "matrix" } else { "GRCh38" });
    group.create_dataset("shape").with_i32_data(&[GENES as i32, CELLS as i32]);
    group.create_dataset("indptr").with_i64_data(&rows.indptr);
    group.create_dataset("indices").with_i64_data(&rows.indices);
    build::store(group.create_dataset("data"), &rows.values, build::Dtype::I32);
    group.create_dataset("barcodes").with_ascii_strings(&refs(&cell_names())).unwrap();
    let (ids, names) = if is_v3 { ("id", "name") } else { ("genes", "gene_names") };
    if is_v3 {
        let mut features = group.create_group("features");
        features.create_dataset(ids).with_ascii_strings(&IDS).unwrap();
        features.create_dataset(names).with_ascii_strings(&refs(&gene_names())).unwrap();
        let types = ["Gene Expression", "Gene Expression", "Gene Expression", "Gene Expression", "Antibody Capture"];
        features.create_dataset("feature_type").with_ascii_strings(&types).unwrap();
        features.create_dataset("genome").with_ascii_strings(&["GRCh38", "mm10", "GRCh38", "mm10", "GRCh38"]).unwrap();
        group.add_group(features.finish());
    } else {
        group.create_dataset(ids).with_ascii_strings(&IDS).unwrap();
        group.create_dataset(names).with_ascii_strings(&refs(&gene_names())).unwrap();
    }
    file.add_group(group.finish());
    file.finish().unwrap()
}

#[test]
fn tenx_h5_of_both_versions_reads() {
    for (is_v3, format) in [(false, FileFormat::TenxH5V2), (true, FileFormat::TenxH5V3)] {
        let opened = open("10x.h5", tenx_h5(is_v3)).unwrap();
        assert_eq!(opened.opened().format, format);
        let data = build::read_opened(&opened, &PrepareOptions::default()).unwrap();
        assert_eq!(to_dense(&data.counts), dense());
        assert_eq!((data.barcodes, data.genes.symbols), (cell_names(), gene_names()));
        assert_eq!(data.genes.ids.unwrap(), IDS);
        assert_eq!(data.warnings.iter().any(|warning| warning.contains("1 of type Antibody Capture")), is_v3);
    }
}

/// As scanpy's `gex_only`, and each type and genome by name.
#[test]
fn types_of_features_and_genomes_are_matrices_of_their_own() {
    let opened = open("10x.h5", tenx_h5(true)).unwrap();
    let names: Vec<&str> = opened.opened().matrices.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(
        names,
        ["matrix", "matrix: Gene Expression", "matrix: Antibody Capture", "matrix: GRCh38", "matrix: mm10"]
    );
    assert_eq!(opened.opened().suggested.matrix.as_deref(), Some(names[1]));
    let columns: [&[usize]; 5] = [&[0, 1, 2, 3, 4], &[0, 1, 2, 3], &[4], &[0, 2, 4], &[1, 3]];
    for (name, columns) in names.into_iter().zip(columns) {
        for max_cells in [None, Some(4)] {
            let options = PrepareOptions { matrix: Some(name.into()), max_cells, ..PrepareOptions::default() };
            let data = build::read_opened(&opened, &options).unwrap();
            let genes: Vec<String> = columns.iter().map(|column| gene_names()[*column].clone()).collect();
            assert_eq!(data.genes.symbols, genes, "{name}");
            let read = to_dense(&data.counts);
            for (row, barcode) in read.chunks_exact(columns.len()).zip(&data.barcodes) {
                let cell: usize = barcode["cell".len()..].parse().unwrap();
                let expected: Vec<f32> = columns.iter().map(|column| dense()[cell * GENES + column]).collect();
                assert_eq!(row, expected, "{name} {barcode}");
            }
        }
    }
}

/// Cell Ranger 1 and 2: a group for each genome, with cells of its own.
#[test]
fn every_genome_of_a_tenx_h5_can_be_chosen() {
    let genomes = [("hg19", 1.0, CELLS), ("mm10", 2.0, CELLS - 2)];
    let mut file = FileBuilder::new();
    for (genome, factor, n_cells) in genomes {
        let rows = sparse(true);
        let n_values = rows.indptr[n_cells] as usize;
        let mut group = file.create_group(genome);
        group.create_dataset("shape").with_i32_data(&[GENES as i32, n_cells as i32]);
        group.create_dataset("indptr").with_i64_data(&rows.indptr[..=n_cells]);
        group.create_dataset("indices").with_i64_data(&rows.indices[..n_values]);
        let values: Vec<f32> = rows.values[..n_values].iter().map(|value| value * factor).collect();
        build::store(group.create_dataset("data"), &values, build::Dtype::I32);
        group.create_dataset("barcodes").with_ascii_strings(&refs(&cell_names()[..n_cells])).unwrap();
        group.create_dataset("genes").with_ascii_strings(&IDS).unwrap();
        group.create_dataset("gene_names").with_ascii_strings(&refs(&gene_names())).unwrap();
        file.add_group(group.finish());
    }
    let bytes = file.finish().unwrap();
    let opened = open("10x.h5", bytes.clone()).unwrap();
    let names: Vec<&str> = opened.opened().matrices.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["hg19", "mm10"]);
    assert!(opened.opened().warnings.iter().any(|warning| warning.contains("one matrix per genome (hg19, mm10)")));
    for (genome, factor, n_cells) in genomes {
        for max_cells in [None, Some(CELLS - 3), Some(CELLS)] {
            let options = PrepareOptions { matrix: Some(genome.into()), max_cells, ..PrepareOptions::default() };
            let data = build::read_opened(&opened, &options).unwrap();
            assert_eq!(data.counts.n_cells(), max_cells.unwrap_or(n_cells).min(n_cells));
            for (row, barcode) in to_dense(&data.counts).chunks_exact(GENES).zip(&data.barcodes) {
                let cell: usize = barcode["cell".len()..].parse().unwrap();
                let expected = dense().into_iter().skip(cell * GENES).take(GENES).map(|value| value * factor);
                assert_eq!(row, expected.collect::<Vec<f32>>(), "{genome} {barcode}");
            }
        }
    }
    // Labels are of the cells of the first genome; those of the second are too few.
    let labels = cell_names().iter().map(|name| format!("{name},A\n")).collect::<String>();
    let parts = [("10x.h5", bytes.clone()), ("labels.csv", format!("barcode,condition\n{labels}").into_bytes())];
    let labelled = cells::read::open(files(&parts), build::PLENTY).unwrap();
    let of = |genome: &str| PrepareOptions {
        matrix: Some(genome.into()),
        perturbation_column: Some("condition".into()),
        ..PrepareOptions::default()
    };
    assert_eq!(build::read_opened(&labelled, &of("hg19")).unwrap().perturbations.unwrap().codes.len(), CELLS);
    assert!(labelled.begin(&of("mm10")).unwrap_err().to_string().contains("has 7 rows for 5 cells"));
    // Of two such files the first genomes alone are joined: the cells of a study are those of the first.
    let twice = [("a.h5", bytes.clone()), ("b.h5", bytes)];
    let study = cells::read::open_study(files(&twice), spec::dataset::GeneJoin::Union, build::PLENTY).unwrap();
    let names: Vec<&str> = study.opened().matrices.iter().map(|info| info.name.as_str()).collect();
    assert_eq!((names, study.opened().matrices[0].n_cells), (vec!["hg19"], 2 * CELLS));
}

/// As of a 10x h5: each type of the third column of features.tsv.
#[test]
fn types_of_features_of_a_trio_are_matrices_of_their_own() {
    let types = ["Gene Expression", "CRISPR Guide Capture", "Gene Expression", "Antibody Capture", "Gene Expression"];
    let lines = IDS.iter().zip(gene_names()).zip(types);
    let features: String = lines.map(|((id, symbol), kind)| format!("{id}\t{symbol}\t{kind}\tchr1\t1\t2\n")).collect();
    let columns: [(&str, &[usize]); 4] = [
        ("matrix", &[0, 1, 2, 3, 4]),
        ("matrix: Gene Expression", &[0, 2, 4]),
        ("matrix: CRISPR Guide Capture", &[1]),
        ("matrix: Antibody Capture", &[3]),
    ];
    for by_cells in [true, false] {
        let parts = [
            ("matrix.mtx.gz", gzip(&mtx(by_cells))),
            ("barcodes.tsv.gz", gzip(&barcodes())),
            ("features.tsv.gz", gzip(&features)),
        ];
        let opened = cells::read::open(files(&parts), build::PLENTY).unwrap();
        let mut names: Vec<&str> = opened.opened().matrices.iter().map(|info| info.name.as_str()).collect();
        assert_eq!(names[0], "matrix");
        names.sort_unstable();
        let mut expected = columns.map(|(name, _)| name);
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(opened.opened().suggested.matrix.as_deref(), Some("matrix: Gene Expression"));
        assert!(opened.opened().warnings.iter().any(|warning| warning.contains("1 of type Antibody Capture")));
        for (name, columns) in columns {
            let chosen = PrepareOptions { matrix: Some(name.into()), ..PrepareOptions::default() };
            let data = build::read_opened(&opened, &chosen).unwrap();
            let of = |names: &[String]| columns.iter().map(|gene| names[*gene].clone()).collect::<Vec<_>>();
            assert_eq!(data.genes.symbols, of(&gene_names()), "{name}");
            assert_eq!(data.genes.ids.unwrap(), of(&IDS.map(String::from)), "{name}");
            let every: Vec<Option<u32>> = columns.iter().map(|gene| Some(*gene as u32)).collect();
            let whole = cells::counts::Counts::from_dense(&dense(), GENES).unwrap();
            assert!(data.counts == whole.select_columns(&every), "{name}");
        }
    }
}

/// The entries of a matrix, genes by cells, in the order of cells or of genes.
pub fn mtx(by_cells: bool) -> String {
    let dense = dense();
    let mut entries = Vec::new();
    for (at, value) in dense.iter().enumerate().filter(|(_, value)| **value != 0.0) {
        entries.push((at / GENES, at % GENES, *value));
    }
    if !by_cells {
        entries.sort_by_key(|(cell, gene, _)| (*gene, *cell));
    }
    let mut text = format!(
        "%%MatrixMarket matrix coordinate integer general\n%metadata_json: {{}}\n{GENES} {CELLS} {}\n",
        entries.len()
    );
    for (cell, gene, value) in entries {
        text.push_str(&format!("{} {} {value}\n", gene + 1, cell + 1));
    }
    text
}

/// Text, gzipped.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// One a line.
pub fn barcodes() -> String {
    cell_names().join("\n") + "\n"
}

/// Ids, symbols and types.
pub fn features() -> String {
    let names = gene_names();
    IDS.iter().zip(names).map(|(id, symbol)| format!("{id}\t{symbol}\tGene Expression\r\n")).collect()
}

fn files(parts: &[(&str, Vec<u8>)]) -> Vec<NamedSource> {
    parts.iter().map(|(name, bytes)| NamedSource::from_bytes(*name, bytes.clone())).collect()
}

#[test]
fn matrix_market_reads_plain_and_gzipped_in_any_order() {
    for by_cells in [true, false] {
        let plain = [
            ("genes.tsv", features().into_bytes()),
            ("matrix.mtx", mtx(by_cells).into_bytes()),
            ("barcodes.tsv", barcodes().into_bytes()),
        ];
        let zipped = [
            ("GSM1_matrix.mtx.gz", gzip(&mtx(by_cells))),
            ("GSM1_barcodes.tsv.gz", gzip(&barcodes())),
            ("GSM1_features.tsv.gz", gzip(&features())),
        ];
        for parts in [plain, zipped] {
            let data = read_all(files(&parts), &PrepareOptions::default()).unwrap();
            assert_eq!(to_dense(&data.counts), dense());
            assert_eq!((&data.barcodes, &data.genes.symbols), (&cell_names(), &gene_names()));
            assert_eq!(data.genes.ids.as_deref().unwrap(), IDS);
            assert_eq!(data.warnings, ["1 of 7 cells have no counts; they are kept"]);
            let some = PrepareOptions { max_cells: Some(4), seed: 3, ..PrepareOptions::default() };
            let data = read_all(files(&parts), &some).unwrap();
            for (row, barcode) in to_dense(&data.counts).chunks_exact(GENES).zip(&data.barcodes) {
                let cell: usize = barcode["cell".len()..].parse().unwrap();
                assert_eq!(row, &dense()[cell * GENES..(cell + 1) * GENES]);
            }
        }
    }
}

#[test]
fn matrix_market_that_cannot_be_is_refused() {
    let refused = |matrix: &str, barcodes: &str| {
        let parts = [
            ("matrix.mtx", matrix.as_bytes().to_vec()),
            ("barcodes.tsv", barcodes.as_bytes().to_vec()),
            ("features.tsv", features().into_bytes()),
        ];
        read_all(files(&parts), &PrepareOptions::default()).unwrap_err().to_string()
    };
    let good = mtx(true);
    let (barcodes, n_lines) = (barcodes(), good.lines().count());
    let has = |message: String, part: &str| assert!(message.contains(part), "{part:?} is not in: {message}");
    has(refused(&good.replace("coordinate", "array"), &barcodes), "matrix.mtx, line 1: is not the banner");
    has(refused(&good.replace("5 7 ", "5 "), &barcodes), "matrix.mtx, line 3: must hold three numbers");
    has(refused(&good, "cell0\ncell1\n"), "barcodes.tsv names 2 cells");
    has(refused(&format!("{good}1 1 1\n"), &barcodes), &format!("line {}: is one entry more", n_lines + 1));
    let lost: String = good.lines().take(n_lines - 2).map(|line| format!("{line}\n")).collect();
    has(refused(&lost, &barcodes), "the file is cut off");
    let zero = good.lines().take(n_lines - 1).chain(["0 1 1"]).map(|line| format!("{line}\n")).collect::<String>();
    has(refused(&zero, &barcodes), "names gene 0 of cell 1");
    let word = good.lines().take(n_lines - 1).chain(["1 1 x"]).map(|line| format!("{line}\n")).collect::<String>();
    has(refused(&word, &barcodes), "must hold a row, a column and a value");
    has(refused(&good.replace("5 7 ", "5 7 99999999"), &barcodes), "more than a file of its size can hold");

    let alone = |parts: &[(&str, Vec<u8>)]| cells::read::open(files(parts), build::PLENTY).unwrap_err().to_string();
    let message = alone(&[("matrix.mtx", good.clone().into_bytes())]);
    has(message.clone(), "matrix.mtx lacks barcodes.tsv");
    has(message, "features.tsv(.gz) or genes.tsv(.gz)");
    has(alone(&[("barcodes.tsv", barcodes.clone().into_bytes())]), "lacks matrix.mtx");
    let twice = [("a_matrix.mtx", good.clone().into_bytes()), ("b_matrix.mtx", good.clone().into_bytes())];
    has(alone(&twice), "plays the same part");
    let cut = gzip(&good);
    let parts = [
        ("matrix.mtx.gz", cut[..cut.len() / 2].to_vec()),
        ("barcodes.tsv", barcodes.into_bytes()),
        ("features.tsv", features().into_bytes()),
    ];
    has(read_all(files(&parts), &PrepareOptions::default()).unwrap_err().to_string(), "cut off");
}

/// As Windows programs leave them: line ends of two bytes, and a mark before the first.
#[test]
fn matrix_market_reads_with_line_ends_and_marks_of_windows() {
    let dressed = |text: String| [b"\xef\xbb\xbf", text.replace('\n', "\r\n").as_bytes()].concat();
    let parts = [
        ("matrix.mtx", dressed(mtx(true))),
        ("barcodes.tsv", dressed(barcodes())),
        ("features.tsv", dressed(features())),
    ];
    let data = read_all(files(&parts), &PrepareOptions::default()).unwrap();
    assert_eq!(to_dense(&data.counts), dense());
    assert_eq!((data.barcodes, data.genes.symbols), (cell_names(), gene_names()));
    assert_eq!(data.genes.ids.unwrap(), IDS);
}
