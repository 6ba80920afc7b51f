//! A column of obs over several samples.

use std::collections::HashMap;

use crate::read::frame::Column;

/// The parts of a column one after another, `lengths` rows each; numbers become labels where another part has labels.
pub(crate) fn united(parts: Vec<Option<Column>>, lengths: &[usize]) -> Column {
    if parts.iter().flatten().all(|part| matches!(part, Column::Numbers(_))) {
        let numbers = parts.into_iter().zip(lengths).flat_map(|(part, n)| match part {
            Some(Column::Numbers(values)) => values,
            _ => vec![f64::NAN; *n],
        });
        return Column::Numbers(numbers.collect());
    }
    let (mut codes, mut names): (Vec<Option<u32>>, Vec<String>) = (Vec::new(), Vec::new());
    let mut code_of: HashMap<String, u32> = HashMap::new();
    for (part, n) in parts.into_iter().zip(lengths) {
        let (of_part, labels) = match part {
            Some(Column::Labels { codes, names }) => (codes, names),
            Some(numbers) => {
                let is_missing = |text: &String| text == "NaN";
                match Column::from_text(numbers.to_text("")) {
                    Column::Labels { codes, names } => {
                        let missing = names.iter().position(is_missing).map(|code| code as u32);
                        (codes.into_iter().map(|code| code.filter(|code| Some(*code) != missing)).collect(), names)
                    }
                    Column::Numbers(_) => (vec![None; *n], Vec::new()),
                }
            }
            None => (vec![None; *n], Vec::new()),
        };
        let new_of: Vec<u32> = labels
            .into_iter()
            .map(|label| {
                *code_of.entry(label).or_insert_with_key(|label| {
                    names.push(label.clone());
                    names.len() as u32 - 1
                })
            })
            .collect();
        codes.extend(of_part.into_iter().map(|code| code.and_then(|code| new_of.get(code as usize).copied())));
    }
    Column::Labels { codes, names }
}
