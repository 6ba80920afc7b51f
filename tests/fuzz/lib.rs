//! What every target does with its bytes: reads all there is, to the end.

use cells::read::OpenedFile;
use cells::source::NamedSource;
use spec::dataset::GeneSelection;

/// Memory that a reading may take.
pub const BUDGET: u64 = 1 << 28;

/// Opens files and reads every matrix in them.
pub fn read_everything(files: Vec<NamedSource>) {
    if let Ok(opened) = cells::read::open(files, BUDGET) {
        read_opened(&opened);
    }
}

/// Reads every matrix, whole, of two cells, and of its first gene, and what lies beside.
pub fn read_opened(opened: &OpenedFile) {
    for info in &opened.opened().matrices {
        let gene = opened.opened().first_genes.first().and_then(|gene| GeneSelection::new(vec![gene.clone()]).ok());
        for (max_cells, genes) in [(None, None), (Some(2), None), (Some(3), gene.clone()), (None, gene)] {
            let mut options = opened.opened().suggested.clone();
            (options.matrix, options.max_cells, options.genes) = (Some(info.name.clone()), max_cells, genes);
            let Ok(mut reading) = opened.begin(&options) else { continue };
            while let Ok(Some(_)) = reading.advance() {}
            if let Ok(data) = reading.finish() {
                assert_eq!(data.counts.n_genes(), data.genes.len());
                assert_eq!(data.counts.n_cells(), data.barcodes.len());
                assert_eq!(data.counts.n_cells(), data.quality().total_counts.len());
            }
        }
    }
    let _ = opened.beside(&opened.opened().suggested);
}
