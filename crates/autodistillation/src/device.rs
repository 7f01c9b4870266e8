//! Where a run computes.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::Serialize;

use crate::Error;

/// What `--device` says: `flex` is the CPU, `vulkan` the best GPU that Vulkan finds, `vulkan:1` the second one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum ComputeDevice {
    /// The CPU, with this crate's own operators.
    #[default]
    Flex,
    /// A GPU through Vulkan: the best one, or the one of this index among the discrete ones.
    Vulkan(Option<usize>),
    /// The CPU through a software driver of Vulkan: slow, and the same code as on a GPU.
    VulkanOnCpu,
}

impl ComputeDevice {
    /// Whether it is the CPU with this crate's own operators.
    pub fn is_flex(&self) -> bool {
        *self == Self::Flex
    }

    /// The device.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where this build or this machine lacks it.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            Self::Flex => Ok(Device::flex()),
            Self::Vulkan(_) | Self::VulkanOnCpu => vulkan(self),
        }
    }

    fn missing(self, available: &str) -> Error {
        Error::Unavailable { what: "device", name: self.to_string(), available: available.to_owned() }
    }
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(device: ComputeDevice) -> Result<Device, Error> {
    Err(device.missing("flex; for GPUs build it with `--features vulkan`"))
}

/// Opens the device at once: otherwise the first tensor would be what finds out that there is none, by a panic.
#[cfg(feature = "vulkan")]
fn vulkan(device: ComputeDevice) -> Result<Device, Error> {
    use burn::tensor::{DeviceKind, Tensor};
    let kind = match device {
        ComputeDevice::Vulkan(Some(index)) => DeviceKind::DiscreteGpu(index),
        ComputeDevice::VulkanOnCpu => DeviceKind::Cpu,
        ComputeDevice::Vulkan(None) | ComputeDevice::Flex => DeviceKind::DefaultDevice,
    };
    let opened = quietly(|| {
        let opened = Device::wgpu(kind);
        let two = Tensor::<1>::ones([2], &opened).sum().into_scalar::<f32>();
        (two == 2.0).then_some(opened)
    });
    opened.flatten().ok_or_else(|| device.missing("flex; Vulkan finds no such device on this machine"))
}

/// What `work` returns; `None` if it panics, which is then not printed.
#[cfg(feature = "vulkan")]
fn quietly<T>(work: impl FnOnce() -> T + std::panic::UnwindSafe) -> Option<T> {
    let printer = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(work).ok();
    std::panic::set_hook(printer);
    result
}

impl fmt::Display for ComputeDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => formatter.write_str("flex"),
            Self::Vulkan(None) => formatter.write_str("vulkan"),
            Self::Vulkan(Some(index)) => write!(formatter, "vulkan:{index}"),
            Self::VulkanOnCpu => formatter.write_str("vulkan:cpu"),
        }
    }
}

impl From<ComputeDevice> for String {
    fn from(device: ComputeDevice) -> Self {
        device.to_string()
    }
}

impl FromStr for ComputeDevice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = |text: &str| text.strip_prefix("vulkan:")?.parse().ok();
        match text {
            "flex" => Ok(Self::Flex),
            "vulkan" => Ok(Self::Vulkan(None)),
            "vulkan:cpu" => Ok(Self::VulkanOnCpu),
            _ => index(text).map(|index| Self::Vulkan(Some(index))).ok_or_else(|| {
                "use `flex` for the CPU, `vulkan` or `vulkan:1` for a GPU, `vulkan:cpu` for a software driver".to_owned()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ["flex", "vulkan", "vulkan:0", "vulkan:12", "vulkan:cpu"] {
            assert_eq!(name.parse::<ComputeDevice>().unwrap().to_string(), name);
        }
        for name in ["", "cuda", "vulkan:", "vulkan:x", "cpu"] {
            assert!(name.parse::<ComputeDevice>().unwrap_err().contains("flex"), "{name}");
        }
    }

    #[cfg(not(feature = "vulkan"))]
    #[test]
    fn a_build_without_gpus_says_how_to_get_one() {
        let error = ComputeDevice::Vulkan(None).open().unwrap_err().to_string();
        assert!(error.contains("--features vulkan"), "{error}");
    }
}
