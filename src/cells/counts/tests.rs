//! Packed counts against the plain rows they were made of, and the memory they say they take.

use proptest::prelude::*;

use super::{BLOCK_ROWS, Counts};

/// Values as files hold them: mostly none or small, some wide, a few that are no counts at all.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        12 => Just(0.0f32),
        12 => (1u32..20).prop_map(|count| count as f32),
        2 => (1u32..300).prop_map(|count| count as f32),
        1 => (1u32..70_000).prop_map(|count| count as f32),
        1 => (1u32..=1 << 24).prop_map(|count| count as f32),
        1 => (0.0f32..9.0).prop_map(|value| value),
        1 => prop_oneof![Just(-3.0f32), Just(f32::INFINITY), Just(0.5), Just(255.0), Just(256.0), Just(65_535.0)],
    ]
}

/// Dense rows of `n_genes`; some matrices of counts only, some of fractions only, some mixed.
fn matrix() -> impl Strategy<Value = (Vec<f32>, usize)> {
    (1usize..9, 0usize..3 * BLOCK_ROWS, 0u8..4).prop_flat_map(|(n_genes, n_cells, kind)| {
        let value = match kind {
            0 => value().boxed(),
            1 => (0u8..=255).prop_map(f32::from).boxed(),
            2 => (0u16..=65_535).prop_map(f32::from).boxed(),
            _ => (0.0f32..8.0).boxed(),
        };
        (prop::collection::vec(value, n_cells * n_genes), Just(n_genes))
    })
}

fn to_dense(counts: &Counts) -> Vec<f32> {
    let mut dense = vec![0.0; counts.n_cells() * counts.n_genes()];
    for (cell, row) in dense.chunks_exact_mut(counts.n_genes()).enumerate() {
        counts.add_row_to(cell, row);
    }
    dense
}

/// The rows as compressed sparse rows keep them.
fn sparse(dense: &[f32], n_genes: usize) -> Vec<Vec<(u32, f32)>> {
    let stored = |row: &[f32]| (0u32..).zip(row.iter().copied()).filter(|(_, value)| *value != 0.0).collect();
    dense.chunks_exact(n_genes).map(stored).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_packed_is_what_comes_out((dense, n_genes) in matrix()) {
        let counts = Counts::from_dense(&dense, n_genes).unwrap();
        prop_assert_eq!(&to_dense(&counts), &dense);
        let rows = sparse(&dense, n_genes);
        prop_assert_eq!(counts.n_cells(), rows.len());
        prop_assert_eq!(counts.n_nonzero(), rows.iter().map(Vec::len).sum::<usize>());
        for (row, plain) in counts.rows().zip(&rows) {
            prop_assert_eq!(row.len(), plain.len());
            let mut visited = Vec::new();
            row.clone().for_each(|entry| visited.push(entry));
            prop_assert_eq!(&visited, plain);
            prop_assert_eq!(&row.collect::<Vec<_>>(), plain);
        }
        let sums: Vec<f64> = rows.iter().map(|row| row.iter().map(|(_, value)| f64::from(*value)).sum()).collect();
        prop_assert_eq!(counts.row_sums(), sums);
        let again = Counts::from_parts(
            counts.indptr().collect(), counts.genes().collect(), counts.values().collect(), n_genes,
        ).unwrap();
        prop_assert_eq!(&again, &counts);
    }

    #[test]
    fn scaling_and_logarithm_have_the_bits_of_stored_values((dense, n_genes) in matrix(), factor in 0.001f64..50.0) {
        let mut counts = Counts::from_dense(&dense, n_genes).unwrap();
        let factors: Vec<f64> = (0..counts.n_cells()).map(|cell| factor + cell as f64).collect();
        let mut rows = sparse(&dense, n_genes);
        let check = |counts: &Counts, rows: &[Vec<(u32, f32)>]| {
            for (row, plain) in counts.rows().zip(rows) {
                let bits = |(gene, value): (u32, f32)| (gene, value.to_bits());
                let mut visited = Vec::new();
                row.clone().for_each(|entry| visited.push(bits(entry)));
                assert_eq!(visited, plain.iter().copied().map(bits).collect::<Vec<_>>());
                assert!(row.map(bits).eq(visited));
            }
        };
        // Twice: what is scaled and logged already is stored before it is scaled and logged again.
        for _ in 0..2 {
            counts.scale_rows(factors.clone());
            for (row, factor) in rows.iter_mut().zip(&factors) {
                row.iter_mut().for_each(|(_, value)| *value = (f64::from(*value) * factor) as f32);
            }
            check(&counts, &rows);
            counts.log1p();
            rows.iter_mut().flatten().for_each(|(_, value)| *value = value.ln_1p());
            check(&counts, &rows);
            let turned: Vec<usize> = (0..counts.n_cells()).rev().collect();
            check(&counts.select_rows(&turned), &rows.iter().rev().cloned().collect::<Vec<_>>());
            let mut settled = counts.clone();
            settled.settle();
            check(&settled, &rows);
        }
    }

    #[test]
    fn rows_and_columns_are_selected((dense, n_genes) in matrix(), picks in prop::collection::vec(0usize..1000, 0..200)) {
        let mut counts = Counts::from_dense(&dense, n_genes).unwrap();
        let n_cells = counts.n_cells();
        counts.scale_rows((1..=n_cells).map(|cell| cell as f64).collect());
        let dense = to_dense(&counts);
        let cells: Vec<usize> = picks.iter().filter(|_| n_cells > 0).map(|pick| pick % n_cells).collect();
        let picked: Vec<f32> = cells.iter().flat_map(|cell| dense[cell * n_genes..][..n_genes].to_vec()).collect();
        prop_assert_eq!(to_dense(&counts.select_rows(&cells)), picked);

        let columns: Vec<Option<u32>> =
            picks.iter().take(12).map(|pick| (pick % 5 > 0).then_some((pick % n_genes) as u32)).collect();
        prop_assume!(!columns.is_empty());
        let moved: Vec<f32> = dense
            .chunks_exact(n_genes)
            .flat_map(|row| columns.iter().map(|column| column.map_or(0.0, |column| row[column as usize])))
            .collect();
        let selected = counts.select_columns(&columns);
        prop_assert_eq!(selected.n_genes(), columns.len());
        prop_assert_eq!(to_dense(&selected), moved);
    }
}

/// Counts of 2,000 cells of 2,000 genes, a tenth of them not zero, and one in a hundred of those too wide for a byte.
fn typical(n_genes: usize) -> Counts {
    let mut builder = super::CountsBuilder::new(n_genes, 2000).unwrap();
    for cell in 0u32..2000 {
        for at in 0..200u32 {
            let count = if at % 100 == 7 { 300 + cell } else { 1 + (cell + at * at) % 9 };
            builder.push(at * 10, count as f32);
        }
        builder.end_row().unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn counts_take_three_bytes_a_value_and_fractions_six() {
    let per_value = |counts: &Counts| counts.n_bytes() as f64 / counts.n_nonzero() as f64;
    let mut counts = typical(2000);
    assert!(per_value(&counts) < 3.2, "{}", per_value(&counts));
    let many_genes = typical(70_000);
    assert!((5.0..5.2).contains(&per_value(&many_genes)), "{}", per_value(&many_genes));
    counts.scale_rows(vec![0.3; 2000]);
    assert!(per_value(&counts) < 3.2, "{}", per_value(&counts));
    counts.scale_rows(vec![0.3; 2000]);
    assert!((6.0..6.2).contains(&per_value(&counts)), "{}", per_value(&counts));
}

#[test]
fn a_matrix_of_no_cells_is_one() {
    let none = Counts::from_parts(vec![0], Vec::new(), Vec::new(), 5).unwrap();
    assert_eq!((none.n_cells(), none.n_genes(), none.n_nonzero(), none.indptr().count()), (0, 5, 0, 1));
    assert_eq!(none.rows().len(), 0);
}
