"""All parameters that are trained as one vector."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.models.parameters import trainable

_gradient_of, _place_of = attrgetter("grad"), Tensor.data_ptr
_GRADIENT: Any = Tensor.grad  # torch's own attribute, which a vector has one of its own for


class FlatParameters:
    """Parameters laid out one after another in one vector of values and one of gradients, both [P].

    The parameters become views: a write to `values` is a write to the network, and backward passes add into
    `gradients`. One vector makes a step a handful of operations, whatever the number of layers.

    Much of what is usual in torch gives a parameter memory of its own: `model.zero_grad()`, a new `p.grad` or
    `p.data`, `model.cpu()`, `load_state_dict(assign=True)`. What the parameter has then counts: `relink`
    takes it into the vector and makes the parameter a view again. Reading `values` or `gradients` relinks
    them.

    Args:
        parameters: of the network. Those with `requires_grad=False` are left out, and stay as they are.
        seed_shape: (R,) for parameters with a leading seed axis, [R, ...]: values and gradients are then
            [R, P]. () without that axis.

    Raises:
        ValueError: where there is nothing to train.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], seed_shape: tuple[int, ...] = ()) -> None:
        self.parameters = [each for each in dict.fromkeys(parameters) if each.requires_grad]
        if not self.parameters:
            raise ValueError("there must be a parameter to train, got none with requires_grad=True")
        self._seed_shape = seed_shape
        with torch.no_grad():
            rows = [parameter.reshape(*self._seed_shape, -1) for parameter in self.parameters]
            self._values = _Vector(torch.cat(rows, dim=-1))
        self._memory = self._values.data
        self._gradients = torch.zeros_like(self._memory)
        self._values.grad = self._gradients  # what an optimizer of [values] reads
        self._parts: list[slice] = []
        self._views: list[tuple[Tensor, Tensor]] = []  # of each parameter: its values, its gradient
        start = 0
        for parameter, row in zip(self.parameters, rows, strict=True):
            part = slice(start, start + row.shape[-1])
            self._parts.append(part)
            vectors = (self._memory, self._gradients)
            values, gradient = (vector[..., part].view(parameter.shape) for vector in vectors)
            self._views.append((values, gradient))
            parameter.grad = None  # what was there belongs to no step
            start = part.stop
        self._value_places = [values.data_ptr() for values, _ in self._views]
        self._gradient_places = [gradient.data_ptr() for _, gradient in self._views]
        self._network: nn.Module | None = None
        self._all_names: list[str] = []  # of the network's parameters, frozen ones too
        self._frozen: list[int] = []  # since it was followed
        self._indices: dict[str, int] = {}  # of the network's parameters, by name
        self._relink()

    def __len__(self) -> int:
        """P, the number of weights of one network."""
        return self._memory.shape[-1]

    @property
    def values(self) -> nn.Parameter:
        """All weights, [P] or [R, P], with their gradient in `.grad`."""
        self.relink()
        return self._values

    @property
    def gradients(self) -> Tensor:
        """The gradients of all weights, [P] or [R, P]. Another tensor that is set is copied."""
        self.relink()
        return self._gradients

    @gradients.setter
    def gradients(self, new: Tensor) -> None:
        self._values.grad = new

    def zero_gradients(self) -> None:
        self.gradients.zero_()

    def set(self, values: Tensor) -> None:
        """Overwrite the values in place, so that every view sees it."""
        self.values.data.copy_(values)

    def mask(self, parts: Iterable[tuple[nn.Parameter, slice]]) -> Tensor:
        """1 everywhere but in the given rows of parameters, where it is 0; [P]. Frozen ones have no place."""
        mask = torch.ones_like(self._memory[0] if self._seed_shape else self._memory)
        places = dict(zip(self.parameters, self._parts, strict=True))
        for parameter, rows in parts:
            if parameter in places:
                mask[places[parameter]].view(parameter.shape[len(self._seed_shape) :])[rows] = 0
        return mask

    def marked(self, parameters: Iterable[nn.Parameter]) -> Tensor:
        """1 in the given parameters, 0 everywhere else; [P]."""
        return 1 - self.mask((each, slice(None)) for each in parameters)

    # How the vector and the network stay one

    def relink(self) -> None:
        """Take up what parameters have in memory of their own, and make them views again.

        Raises:
            ValueError: for a parameter of another shape, precision or device than at the start, by name.
        """
        try:  # the addresses alone: it is done several times a step
            linked = (
                list(map(_place_of, self.parameters)) == self._value_places
                and list(map(_place_of, map(_gradient_of, self.parameters))) == self._gradient_places
                and self._values.data_ptr() == self._memory.data_ptr()
                and self._values.grad is self._gradients
            )
        except TypeError:  # a gradient of None has no address
            linked = False
        if not linked:
            self._relink()

    def follow(self, network: nn.Module) -> None:
        """Remember whose parameters these are, for `check`.

        Raises:
            ValueError: for one that training may move, and that is not in the vector, by name.
        """
        if network is self._network:
            return
        indices = {parameter: index for index, parameter in enumerate(self.parameters)}
        left_out = [name for name, each in trainable(network).items() if each not in indices]
        if left_out:
            raise ValueError(
                "the flat vector of a cl_bench strategy must hold every parameter of its network that is "
                f"trained, and has not got {', '.join(left_out)}: lay it out with them, or freeze them"
            )
        self._network = network
        self._all_names = [name for name, _ in network.named_parameters()]
        self._indices = {name: indices[each] for name, each in trainable(network).items()}

    def check(self) -> None:
        """Relink, and see that the network has the parameters that it had. One that was replaced by another
        of its name and shape is taken up.

        Raises:
            ValueError: for parameters that came, went or were frozen at the start and are no more, by name.
        """
        if self._network is None:
            return
        present = dict(self._network.named_parameters())
        if list(present) != self._all_names:
            raise _other_parameters(self._all_names, list(present))
        thawed = [name for name in trainable(self._network) if name not in self._indices]
        if thawed:
            raise ValueError(
                "a parameter that was frozen when the strategy was built cannot be trained later, got "
                f"{', '.join(thawed)}: build the strategy first, and freeze it then (requires_grad_(False))"
            )
        for name, index in self._indices.items():
            self.parameters[index] = present[name]
        self._frozen = [index for index, each in enumerate(self.parameters) if not each.requires_grad]
        self._relink()

    def frozen_since(self) -> list[str]:
        """The names of parameters that were frozen after they were laid out, at the last `check`."""
        return [self._name(index) for index in self._frozen]

    def values_frozen_since(self) -> list[Tensor]:
        """The values of parameters frozen since, for `put_back`: an optimizer of the vector moves them."""
        return [self._views[index][0].clone() for index in self._frozen]

    def put_back(self, values: Iterable[Tensor]) -> None:
        """Undo a step for the parameters frozen since, from what `values_frozen_since` gave."""
        for index, before in zip(self._frozen, values, strict=True):
            self._views[index][0].copy_(before)

    def _relink(self) -> None:
        with torch.no_grad():
            if not _same_memory(self._values, self._memory):
                _check_fit("the vector of all weights", self._values, self._memory)
                self._memory.copy_(self._values.data)
                self._values.data = self._memory
            self._values.keep(self._gradients)
            for index, (values, gradient) in enumerate(self._views):
                parameter = self.parameters[index]
                if not _same_memory(parameter, values):
                    _check_fit(self._name(index), parameter, values)
                    values.copy_(parameter.data.clone())  # it may lie across its old place
                    parameter.data = values
                if parameter.grad is None:
                    gradient.zero_()
                elif not _same_memory(parameter.grad, gradient):
                    gradient.copy_(parameter.grad.to_dense())
                else:
                    continue
                parameter.grad = gradient.view_as(gradient)

    def _name(self, index: int) -> str:
        names = [name for name, each in self._indices.items() if each == index]
        return names[0] if names else f"parameter {index + 1} of {len(self.parameters)}"


class _Vector(nn.Parameter):
    """A parameter with one gradient for good: to clear it zeroes it, to set another copies that."""

    @property
    def grad(self) -> Tensor | None:
        return _GRADIENT.__get__(self)

    @grad.setter
    def grad(self, new: Tensor | None) -> None:
        own = self.grad
        if own is None:
            _GRADIENT.__set__(self, new)
        elif new is None:
            own.zero_()
        elif new is not own:
            own.copy_(new.detach())

    def keep(self, gradients: Tensor) -> None:
        """Have these gradients; a backward pass with `create_graph` leaves others."""
        found = self.grad
        if found is not None and found is not gradients:
            gradients.copy_(found.detach())
            _GRADIENT.__set__(self, gradients)


def _same_memory(tensor: Tensor, view: Tensor) -> bool:
    return (
        tensor.data_ptr() == view.data_ptr()
        and tensor.shape == view.shape
        and tensor.stride() == view.stride()
        and tensor.dtype == view.dtype
        and tensor.layout == view.layout
    )


def _check_fit(name: str, tensor: Tensor, view: Tensor) -> None:
    now, before = ((each.dtype, str(each.device), tuple(each.shape)) for each in (tensor, view))
    if now != before:
        raise ValueError(
            "the weights of a cl_bench strategy are one vector, laid out when it is built, and cannot change "
            f"their shape, precision or device: {name} is now {now[2]} of {now[0]} on {now[1]}, and was "
            f"{before[2]} of {before[0]} on {before[1]}. Convert the network before the strategy is built"
        )


def _other_parameters(before: list[str], present: list[str]) -> ValueError:
    new, gone = (
        [name for name in one if name not in other] for one, other in ((present, before), (before, present))
    )
    changes = {"new": new, "gone": gone, "in another order": [] if new or gone else present}
    words = "; ".join(f"{what}: {', '.join(names)}" for what, names in changes.items() if names)
    return ValueError(
        "the weights of a cl_bench strategy are one vector, laid out when it is built, so that its network "
        f"cannot get or lose parameters after that; {words}. Build the network with all its layers and "
        "parametrizations, and then the strategy"
    )
