//! The parallel lists of a distillation section, one entry per stage, and how they are spread over the stages.

use autodistillation_distillation::{
    Block, HeadMatching, LogitScale, LossKind, MatchingOptions, Normalize, OriginLoss, Ramp, Reduction,
};

use super::cursor::Cursor;
use super::node::Value;
use super::places::Subject;
use super::problem::Problem;
use super::table::Table;

/// The lists as written.
#[derive(Default)]
pub(super) struct StageLists<'n> {
    pub(super) blocks: Option<Cursor<'n>>,
    pub(super) mappings: Option<Cursor<'n>>,
    pub(super) loss_types: Option<Cursor<'n>>,
    pub(super) loss_weights: Option<Cursor<'n>>,
    pub(super) origin_loss: Option<Cursor<'n>>,
    pub(super) steps: Option<Cursor<'n>>,
    pub(super) learning_rate: Option<Cursor<'n>>,
    pub(super) temperature: Option<Cursor<'n>>,
    pub(super) normalize: Option<Cursor<'n>>,
    pub(super) heads: Option<Cursor<'n>>,
    pub(super) reduction: Option<Cursor<'n>>,
    pub(super) logits: Option<Cursor<'n>>,
    pub(super) relation_heads: Option<Cursor<'n>>,
}

impl<'n> StageLists<'n> {
    /// Takes the lists from a section.
    pub(super) fn take(table: &mut Table<'n>) -> Self {
        Self {
            blocks: table.take("block_names"),
            mappings: table.take_either("layer_mappings_for_knowledge_transfer", "layer_mappings"),
            loss_types: table.take("loss_types"),
            loss_weights: table.take("loss_weights"),
            origin_loss: table.take("add_origin_loss"),
            steps: table.take("train_steps"),
            learning_rate: table.take("learning_rate"),
            temperature: table.take("temperature"),
            normalize: table.take("normalize"),
            heads: table.take("heads"),
            reduction: table.take("reduction"),
            logits: table.take("logits"),
            relation_heads: table.take("relation_heads"),
        }
    }

    /// Takes the lists that a criterion on logits has.
    pub(super) fn take_for_logits(table: &mut Table<'n>) -> Self {
        Self {
            blocks: table.take("block_names"),
            loss_types: table.take("loss_types"),
            loss_weights: table.take("loss_weights"),
            steps: table.take("train_steps"),
            learning_rate: table.take("learning_rate"),
            temperature: table.take("temperature"),
            logits: table.take("logits"),
            ..Self::default()
        }
    }

    /// The most entries that a list with one value per stage has, at least 1.
    pub(super) fn longest(&self) -> usize {
        let lists = [&self.blocks, &self.origin_loss, &self.steps, &self.learning_rate, &self.temperature];
        let lengths = lists.into_iter().flatten().filter_map(|list| list.node.items());
        lengths.map(<[_]>::len).max().unwrap_or(1).max(1)
    }

    pub(super) fn per_stage(&self, count: Count, default: &Defaults) -> Option<Vec<StageValues>> {
        let options = self.options(count, default.options);
        let blocks = count.spread(self.blocks.as_ref(), default.block.clone(), block);
        let origin = count.spread(self.origin_loss.as_ref(), default.origin_loss, origin_loss);
        let steps = count.spread(self.steps.as_ref(), default.steps, |steps| steps.whole(1));
        let rates = count.spread(self.learning_rate.as_ref(), default.learning_rate, |rate| rate.positive());
        let (options, blocks, origin, steps, rates) = (options?, blocks?, origin?, steps?, rates?);
        let rows = options.into_iter().zip(blocks).zip(origin).zip(steps).zip(rates);
        Some(
            rows.map(|((((options, block), origin_loss), steps), learning_rate)| StageValues {
                options,
                block,
                origin_loss,
                steps,
                learning_rate,
            })
            .collect(),
        )
    }

    fn options(&self, count: Count, default: MatchingOptions) -> Option<Vec<MatchingOptions>> {
        let temperature = count.spread(self.temperature.as_ref(), default.temperature, |value| {
            ramp(value, |value| value.positive())
        });
        let normalize = count.spread(self.normalize.as_ref(), default.normalize, |value| {
            value.word(
                "a normalisation",
                &[("none", Normalize::None), ("teacher_variance", Normalize::TeacherVariance)],
            )
        });
        let heads = count.spread(self.heads.as_ref(), default.heads, |value| {
            value.word(
                "a way to match heads",
                &[("mean", HeadMatching::Mean), ("matcher", HeadMatching::Matcher)],
            )
        });
        let reduction = count.spread(self.reduction.as_ref(), default.reduction, |value| {
            value.word(
                "a reduction",
                &[("row_mean", Reduction::RowMean), ("element_mean", Reduction::ElementMean)],
            )
        });
        let logits = count.spread(self.logits.as_ref(), default.logits, |value| {
            value.remember(Subject::LogitScale);
            value.word(
                "a scale of logits",
                &[("plain", LogitScale::Plain), ("standardized", LogitScale::Standardized)],
            )
        });
        let relation_heads = count
            .spread(self.relation_heads.as_ref(), default.relation_heads, |value| value.whole(1).map(Some));
        let rows = temperature?.into_iter().zip(normalize?).zip(heads?).zip(reduction?);
        let rows = rows.zip(logits?).zip(relation_heads?);
        Some(
            rows.map(|(((((temperature, normalize), heads), reduction), logits), relation_heads)| {
                MatchingOptions { normalize, heads, reduction, temperature, logits, relation_heads }
            })
            .collect(),
        )
    }
}

/// What a stage has where its list says nothing.
#[derive(Clone)]
pub(super) struct Defaults {
    pub(super) options: MatchingOptions,
    pub(super) block: BlockName,
    pub(super) origin_loss: OriginLoss,
    pub(super) steps: u32,
    pub(super) learning_rate: f64,
}

/// One entry of every list that has one value per stage.
pub(super) struct StageValues {
    pub(super) options: MatchingOptions,
    pub(super) block: BlockName,
    pub(super) origin_loss: OriginLoss,
    pub(super) steps: u32,
    pub(super) learning_rate: f64,
}

/// What a stage trains, as written.
#[derive(Clone)]
pub(super) enum BlockName {
    /// The layer that the stage's mappings are about.
    Automatic,
    /// These modules.
    Named(Block),
}

/// A module name (empty for the whole network), several of them, or `auto`.
fn block(cursor: &Cursor<'_>) -> Option<BlockName> {
    if matches!(&cursor.node.value, Value::Text(text) if text == "auto") {
        return Some(BlockName::Automatic);
    }
    let names: Vec<_> = cursor.list_or_self().iter().map(module_name).collect();
    names.into_iter().collect::<Option<Vec<_>>>().map(|names| BlockName::Named(Block::new(names)))
}

fn module_name(cursor: &Cursor<'_>) -> Option<String> {
    match &cursor.node.value {
        Value::Text(name) => {
            cursor.remember(Subject::Block(name.clone()));
            Some(name.clone())
        }
        _ => cursor.text().map(str::to_owned),
    }
}

fn origin_loss(cursor: &Cursor<'_>) -> Option<OriginLoss> {
    cursor.flag().map(|added| if added { OriginLoss::Added } else { OriginLoss::LeftOut })
}

/// A loss on layers.
pub(super) fn layer_loss(cursor: &Cursor<'_>) -> Option<LossKind> {
    cursor.word(
        "a loss",
        &[
            ("MSE", LossKind::MeanSquared),
            ("KL", LossKind::KullbackLeibler),
            ("L1", LossKind::MeanAbsolute),
            ("MAE", LossKind::MeanAbsolute),
            ("L2", LossKind::Euclidean),
            ("CE", LossKind::CrossEntropy),
            ("RKL", LossKind::ReverseKullbackLeibler),
            ("JSD", LossKind::JensenShannon),
            ("COS", LossKind::Cosine),
            ("PKD", LossKind::Patient),
            ("RELATION", LossKind::Relation),
        ],
    )
}

/// A weight of a loss on layers, over the stage.
pub(super) fn layer_weight(cursor: &Cursor<'_>) -> Option<Ramp> {
    ramp(cursor, |value| value.number_that("from 0 to 1", |weight| (0.0..=1.0).contains(&weight)))
}

/// A number, or `{from: …, to: …}`: a line from the stage's first step to its last.
pub(super) fn ramp(cursor: &Cursor<'_>, read: impl Fn(&Cursor<'_>) -> Option<f64>) -> Option<Ramp> {
    if !matches!(cursor.node.value, Value::Map(_)) {
        return read(cursor).map(Ramp::from);
    }
    let mut table = cursor.table()?;
    let from = table.need("from", "the value at the stage's first step").and_then(|value| read(&value));
    let to = table.need("to", "the value at its last step").and_then(|value| read(&value));
    table.finish();
    Some(Ramp { from: from?, to: to? })
}

/// How many entries a list must have.
#[derive(Clone, Copy)]
pub(super) enum Count {
    /// One per stage.
    Stages(usize),
    /// One for all blocks or, where the number of layers is fixed, one per block.
    Blocks(Option<usize>),
    /// One per group of mappings.
    Groups(usize),
}

impl Count {
    pub(super) fn stages(self) -> usize {
        match self {
            Self::Stages(count) | Self::Groups(count) => count,
            Self::Blocks(count) => count.unwrap_or(1),
        }
    }

    /// One value per stage: from a list, from a single value for all, or the default.
    pub(super) fn spread<T: Clone>(
        self,
        list: Option<&Cursor<'_>>,
        default: T,
        read: impl Fn(&Cursor<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(list) = list else { return Some(vec![default; self.stages()]) };
        if list.node.items().is_none() {
            return read(list).map(|value| vec![value; self.stages()]);
        }
        let values: Vec<_> = list.list_or_self().iter().map(read).collect();
        self.fit(list, values.into_iter().collect::<Option<Vec<_>>>()?)
    }

    /// One value per mapping of every stage. A flat list is that of a single stage or of all blocks; a plain
    /// value is that of all mappings; `default` gets the number of mappings.
    pub(super) fn spread_mappings<T: Clone>(
        self,
        list: Option<&Cursor<'_>>,
        mappings: &[usize],
        default: impl Fn(usize) -> T,
        read: impl Fn(&Cursor<'_>) -> Option<T>,
    ) -> Option<Vec<Vec<T>>> {
        let same = |value: &dyn Fn(usize) -> T| mappings.iter().map(|&n| vec![value(n); n]).collect();
        let Some(list) = list else { return Some(same(&default)) };
        let Some(items) = list.node.items() else {
            let value = read(list)?;
            return Some(same(&|_| value.clone()));
        };
        let is_flat = items.iter().all(|item| item.items().is_none());
        let rows = if is_flat && !items.is_empty() && self.takes_flat_lists() {
            vec![list.clone()]
        } else {
            list.list_or_self()
        };
        let lengths = mappings.iter().chain(std::iter::repeat(mappings.last().unwrap_or(&0)));
        let values: Vec<_> = rows.iter().zip(lengths).map(|(cursor, &n)| row(cursor, n, &read)).collect();
        self.fit(list, values.into_iter().collect::<Option<Vec<_>>>()?)
    }

    fn takes_flat_lists(self) -> bool {
        matches!(self, Self::Stages(1) | Self::Blocks(_))
    }

    fn fit<T: Clone>(self, list: &Cursor<'_>, values: Vec<T>) -> Option<Vec<T>> {
        let (expected, found) = (self.stages(), values.len());
        match (self, values.as_slice()) {
            _ if found == expected => return Some(values),
            (Self::Blocks(_), [value]) => return Some(vec![value.clone(); expected]),
            (Self::Blocks(None), _) => list.problem(Problem::UnknownBlockCount),
            (Self::Blocks(_), _) => list.problem(Problem::Lengths { expected, found, unit: "blocks" }),
            (Self::Groups(_), _) => {
                list.problem(Problem::Lengths { expected, found, unit: "mapping groups" })
            }
            (Self::Stages(_), _) => list.problem(Problem::Lengths { expected, found, unit: "stages" }),
        }
        None
    }
}

fn row<T>(cursor: &Cursor<'_>, expected: usize, read: impl Fn(&Cursor<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = cursor.list("a list with one entry per layer mapping of the stage")?;
    if items.len() != expected {
        cursor.problem(Problem::Lengths { expected, found: items.len(), unit: "layer mappings" });
        return None;
    }
    let values: Vec<_> = items.iter().map(read).collect();
    values.into_iter().collect()
}
