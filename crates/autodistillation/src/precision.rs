//! The numbers that a student's matrix products are computed in while it trains.

use std::str::FromStr;

use autodistillation_models::{Arithmetic, bf16_is_fast};
use serde::Serialize;

use crate::{ComputeDevice, Error};

/// What `--precision` says. Weights, moments, norms, softmax and losses are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPrecision {
    /// The engine's choice: f32.
    #[default]
    Auto,
    /// Products of f32 numbers.
    F32,
    /// Products of numbers rounded to bfloat16, summed in f32.
    Bf16,
}

impl TrainingPrecision {
    /// Whether the choice is the engine's.
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }

    /// What the kernels are asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] for bf16 on a GPU or on a processor that does not multiply bfloat16 numbers.
    pub fn arithmetic(self, device: ComputeDevice) -> Result<Arithmetic, Error> {
        let available = match self {
            Self::Auto | Self::F32 => return Ok(Arithmetic::F32),
            Self::Bf16 if !device.is_flex() => "auto, f32; a GPU trains in f32",
            Self::Bf16 if bf16_is_fast() => return Ok(Arithmetic::Bf16),
            Self::Bf16 => "auto, f32; this processor has no AVX512-BF16",
        };
        Err(Error::Unavailable {
            what: "precision",
            name: "bf16".to_owned(),
            available: available.to_owned(),
        })
    }
}

impl FromStr for TrainingPrecision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err("use `auto`, `f32` or `bf16`".to_owned()),
        }
    }
}
