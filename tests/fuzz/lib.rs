//! What every target does with its bytes: reads all there is, to the end.

use cells::read::OpenedFile;
use cells::source::NamedSource;

/// Memory that a reading may take.
pub const BUDGET: u64 = 1 << 28;

/// Opens files and reads every matrix in them.
pub fn read_everything(files: Vec<NamedSource>) {
    if let Ok(opened) = cells::read::open(files, BUDGET) {
        read_opened(&opened);
    }
}

/// Reads every matrix, whole and of two cells, and what lies beside.
pub fn read_opened(opened: &OpenedFile) {
    for info in &opened.opened().matrices {
        for max_cells in [None, Some(2)] {
            let mut options = opened.opened().suggested.clone();
            (options.matrix, options.max_cells) = (Some(info.name.clone()), max_cells);
            let Ok(mut reading) = opened.begin(&options) else { continue };
            while let Ok(Some(_)) = reading.advance() {}
            if let Ok(data) = reading.finish() {
                assert_eq!(data.counts.n_genes(), data.genes.len());
                assert_eq!(data.counts.n_cells(), data.barcodes.len());
            }
        }
    }
    let _ = opened.beside(&opened.opened().suggested);
}
