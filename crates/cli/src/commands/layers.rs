//! `layers`: what can be named in a layer mapping.

use anyhow::Result;
use autodistillation::check;
use autodistillation::report::TextTable;
use serde_json::json;

use crate::arguments::LayersArguments;
use crate::terminal::{show, show_json};

pub fn layers(arguments: &LayersArguments) -> Result<()> {
    let layers = check::layers(&arguments.network)?;
    if arguments.json {
        let layer = |layer: &autodistillation::distillation::LayerOutput| json!({"path": layer.path.module, "output": layer.path.output, "shape": layer.shape.to_string()});
        return show_json(&json!({"layers": layers.iter().map(layer).collect::<Vec<_>>()}));
    }
    let mut table = TextTable::new(["layer", "output", "shape"]);
    for layer in layers {
        table.row([layer.path.module, layer.path.output.to_string(), layer.shape.to_string()]);
    }
    show(&table.render())
}
