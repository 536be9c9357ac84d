"""The kinds of fields in an experiment file, and the tables that a network and an optimiser are."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from chaotrain.explaining import short

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10**6)]
Steps = Annotated[int, Field(ge=2, le=10**6)]
Width = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Memory = Annotated[float, Field(gt=0, le=10**6, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


def _is_rate(value: float) -> float:
    """Refuse learning rates whose ratios, and with these the limits of axes, would overflow."""
    if not 1e-100 <= value <= 1e100:
        raise ValueError("give a number from 1e-100 to 1e+100")
    return value


Rate = Annotated[Positive, AfterValidator(_is_rate)]


def _is_storable(value: Any) -> Any:
    """Refuse integers that TOML cannot hold, wherever they are."""
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise ValueError("give integers of at most 64 bits")
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for entry in inside:
        _is_storable(entry)
    return value


# TOML's own limit of an integer.
LARGEST = 2**63
Options = Annotated[dict[str, Any], AfterValidator(_is_storable)]


class Model(BaseModel):
    """Strict, immutable, and closed to unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NetworkFields(Model):
    """A network; its inputs and outputs are the task's.

    Attributes:
        kind: "mlp", or "cnn" with convolutions before the dense layers.
        hidden: Widths of the hidden layers; by default 64 for an MLP and none for a CNN.
        activation: One of `networks.ACTIVATIONS`.
        init: One of `networks.INITS`.
        scale: A factor of the initial weights.
        dropout: The share of hidden units that a training step leaves out (MLP).
        channels: Channels of the convolutions (CNN).
        kernel: Their width in pixels (CNN).
        pooling: "max" or "average" over 2 x 2 pixels after each (CNN).
        function: "package.module:function" that makes a network of your own, instead of all these.
        options: Its further arguments.
    """

    kind: Literal["mlp", "cnn"] = "mlp"
    hidden: list[Count] | None = None
    activation: str = "tanh"
    init: str = "normal"
    scale: Positive = 1.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    channels: list[Count] = Field(default=[8, 16], min_length=1)
    kernel: Count = 3
    pooling: Literal["max", "average"] = "max"
    function: str | None = None
    options: Options = Field(default={})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        fields = set(type(self).model_fields)
        if self.function is not None:
            self._refuse(fields - {"function", "options"}, "a function of your own has options")
            return self
        self._refuse({"options"}, "they are those of a function of your own, give function")
        if self.kind == "mlp":
            self._refuse({"channels", "kernel", "pooling"}, 'give kind = "cnn" for it')
        else:
            self._refuse({"dropout"}, "only an MLP has it")
        if self.hidden is None:
            object.__setattr__(self, "hidden", [64] if self.kind == "mlp" else [])
        return self

    def _refuse(self, names: set[str], remedy: str) -> None:
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in names and value != field.default:
                raise ValueError(f"{name} = {short(value)} has no use here: {remedy}")


class OptimizerFields(Model):
    """An optimiser of optax; a text stands for its name alone.

    Attributes:
        name: Its name in optax, or "momentum" or "nesterov".
        options: Its other arguments, by their names in optax.
        schedule: {name = "cosine", ...}: the learning rate of a step relative to η.
    """

    name: str = "sgd"
    options: Options = Field(default={})
    schedule: Options | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value
