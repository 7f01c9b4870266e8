//! Recording of an operator with a hand-written backward in Burn's autodiff graph, on the Flex backend.

use burn::backend::{
    Autodiff, AutodiffBackend, Flex,
    autodiff::{
        checkpoint::strategy::CheckpointStrategy,
        ops::{Backward, NodeGuard, OpsKind},
    },
    flex::FlexTensor,
    tensor::FloatTensor,
};

/// A Flex tensor with its node in the autodiff graph.
pub(crate) type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

/// The output of an operator none of whose inputs is tracked: a constant, without a node in the graph.
pub(crate) fn constant(output: FlexTensor) -> AutodiffTensor {
    <Autodiff<Flex> as AutodiffBackend>::from_inner(output)
}

/// The output of an operator with its step back in the graph; `state` is what the step needs.
pub(crate) fn record<C, O, const N: usize>(
    operator: O,
    inputs: [NodeGuard; N],
    state: O::State,
    output: FlexTensor,
) -> AutodiffTensor
where
    C: CheckpointStrategy,
    O: Backward<Flex, N>,
{
    match operator.prepare::<C>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(state, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}
