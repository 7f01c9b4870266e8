"""The compiled part: searches, runs and losses of the Rust engine. Structured values are JSON text."""

from os import PathLike
from typing import Callable, Optional, Sequence, TypedDict, Union, final

__version__: str

@final
class Search:
    def __new__(
        cls, text: str, origin: str, folder: Optional[Union[str, PathLike[str]]] = None
    ) -> Search: ...
    def ask(self) -> Optional[str]: ...
    def tell(self, number: int, metrics: Sequence[tuple[str, float]]) -> str: ...
    def fail(self, number: int, reason: str) -> str: ...
    def give_back(self, number: int) -> None: ...
    def trials(self) -> str: ...
    def front(self) -> list[int]: ...
    def hypervolume(self, reference: Sequence[float]) -> float: ...
    def misfit(self, architecture: str) -> Optional[str]: ...
    @property
    def config(self) -> str: ...
    @property
    def size(self) -> int: ...

class Comparison(TypedDict):
    loss: str
    width: int
    wide: bool
    temperature: float
    student_is_probability: bool
    teacher_is_probability: bool
    element_mean: bool

def loss_gradient(
    student: bytes, teacher: bytes, mask: Optional[bytes], comparison: Comparison
) -> tuple[float, bytes]: ...

class Options(TypedDict):
    output: str
    jobs: Optional[int]
    threads: Optional[int]

def run(
    text: str, origin: str, options: Options, listener: Optional[Callable[[str], object]] = None
) -> str: ...
def check(text: str, origin: str) -> str: ...
