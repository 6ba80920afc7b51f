//! Whether a run has an anchor of its own, before anything is computed: what becomes of an earlier one is said, and where none
//! can be fitted, so is what to do.

use spec::checkpoint::CheckpointHeader;
use spec::train::TrainConfig;

use super::assemble::{AssemblyError, listed};
use super::facts::keeps_earlier;

/// Decides whether the run has an anchor, fitted to the targets of these names, and says what becomes of an earlier one.
pub(super) fn settle_anchor(
    config: &mut TrainConfig,
    from: Option<&CheckpointHeader>,
    names: &[&str],
    holds_targets_back: bool,
) -> Result<Option<String>, AssemblyError> {
    if config.anchor.is_none() {
        return Ok(None);
    }
    let n = names.len();
    match from.filter(|from| from.anchor.is_some()) {
        Some(from) if !keeps_earlier(config, n) => Ok(Some(format!(
            "The anchor is fitted anew, to the {n} targets of these cells ({}); that of the checkpoint, fitted to its own \
             ({} seen), is replaced.",
            listed(names),
            from.seen.len()
        ))),
        Some(_) if config.decoder.n_steps > 0 => Ok(Some(format!(
            "The anchor stays that of the checkpoint: these cells have {n} of the 2 targets with vectors that one of their own \
             is fitted to."
        ))),
        Some(_) => Ok(None),
        None if config.decoder.n_steps == 0 => {
            config.anchor = None;
            Ok(Some("No anchor is fitted, since the decoder stage, which corrects it, has no steps.".into()))
        }
        None if n < 2 => {
            let way_out =
                if holds_targets_back { ", hold back cells instead of targets (hold_back = \"cells\")" } else { "" };
            let listed = if n == 0 { "none".into() } else { listed(names) };
            Err(AssemblyError::AnchorTargets { n_found: n, listed, way_out })
        }
        None => Ok(None),
    }
}
