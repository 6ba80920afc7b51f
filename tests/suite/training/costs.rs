//! Parameters that are told before a model is made, against models.

use jepa::device::Device;
use jepa::model::BioJepa;
use jepa::model::decoder::Decoder;
use jepa::model::parameters::Parameters;
use spec::model::{ComposerConfig, ModelConfig, ModelVersion};
use spec::train::cost::PartCounts;
use spec::train::preset::Preset;

#[test]
fn the_parameters_that_are_told_are_those_of_the_model() {
    let composer = ComposerConfig { n_protein: 5, n_chemical: 3, n_dna: 7, n_latent: 6, n_mode: 4 };
    let sized = |version, n_genes, d_model, n_heads, n_layers, n_pretrain_layers| ModelConfig {
        version,
        n_genes,
        d_model,
        n_heads,
        n_layers,
        n_pretrain_layers,
        composer: composer.clone(),
        masked_identity: false,
        action_tokens: n_layers > 1,
    };
    let with_genes = |preset: Preset| ModelConfig { n_genes: 2000, ..preset.config().model };
    let models = [
        sized(ModelVersion::V04, 11, 4, 2, 1, 3),
        sized(ModelVersion::V04, 7, 9, 3, 2, 1),
        sized(ModelVersion::V05, 30, 12, 2, 3, 2),
        with_genes(Preset::Tiny),
        with_genes(Preset::Small),
        with_genes(Preset::Production),
    ];
    for config in models {
        let model = BioJepa::init(&config, 0, &Device::flex()).expect("a valid configuration");
        let decoder = Decoder::init(config.d_model, 0, &Device::flex());
        let (found, told) = (model.n_parameters_by_part(), PartCounts::of(&config));
        let found = [found.encoder, found.predictor, found.composer, found.masked_predictor, decoder.n_parameters()];
        let told = [told.encoder, told.predictor, told.composer, told.masked_predictor, told.decoder];
        assert_eq!(found.map(|n| n as u64), told, "{config:?}");
    }
}
