"""CHGNet in batches: the published network and weights, evaluated for what relaxation needs.

Source: Deng et al., Nature Machine Intelligence 5, 1031 (2023), and the package ``chgnet``, whose
weights ship with it. The package evaluates one graph after another up to the network, takes
forces and stress by two differentiable backward passes and joins the features of both ends of
each bond before the first linear layer. Here the same network

- is differentiated once, by the bond vectors alone, from which forces and stress follow
  (F_i = -sum dE/dv, V stress = sum v (x) dE/dv), without the graph for second derivatives;
- has its first linear layers split: W [a, b, c] = W_a a + W_b b + W_c c, so that the products are
  formed once per atom and once per bond, not once per directed bond or angle;
- leaves out what no energy depends on: magnetic moments, the last angle update, and the bond
  convolution of bonds that have no angles.

Numbers agree with ``CHGNet.predict_structure`` to single precision; a test says so.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from matscale.energy.neighbours import Bonds, find_angles, find_bonds
from matscale.energy.potential import Evaluation, package_version
from matscale.runtime.errors import UserError, missing_extra
from matscale.structures.table import StructureTable

MODELS = ("0.3.0", "r2scan")
"""Weights of the package that are evaluated here; 0.2.0 is deprecated there."""

LAST_ELEMENT = 94
"""Plutonium; the network has no embedding of heavier elements."""


class ChgnetPotential:
    """CHGNet for batches of crystals.

    Args:
        model: Name of the weights, one of :data:`MODELS`.
        device: ``"cpu"`` or what torch calls another device.
        precision: ``"float32"``, in which the network was trained, or ``"float64"``.

    Raises:
        UserError: If the package is missing, or there are no such weights.
    """

    def __init__(
        self, model: str = "0.3.0", *, device: str = "cpu", precision: str = "float32"
    ) -> None:
        if model not in MODELS:
            raise UserError(f"chgnet has no weights {model!r}; it has {', '.join(MODELS)}")
        if precision not in ("float32", "float64"):
            raise UserError(f"precision is float32 or float64, not {precision!r}")
        self._network = _Network(_load(model, device), device, precision)
        self._arguments = (model, device, precision)
        self.name = f"chgnet:{model}"
        self.version = f"{package_version('chgnet')} {precision}"
        self.device = device

    def __reduce__(self) -> tuple[Any, tuple[str, str, str]]:
        """Another process loads the weights itself, once."""
        return _shared, self._arguments

    def evaluate(self, table: StructureTable) -> Evaluation:
        """Energies, forces and stresses of the crystals of a table, in one batch."""
        bonds = find_bonds(table, self._network.cutoff, self._network.short_cutoff)
        rows = np.repeat(np.arange(len(table)), table.n_atoms)
        for row in np.unique(rows[table.numbers > LAST_ELEMENT]):
            bonds.refused[int(row)] = "CHGNet knows no element heavier than plutonium"
        if bonds.refused:
            return self._evaluate_fit(table, bonds.refused)
        return self._evaluate(table, bonds, rows)

    def _evaluate_fit(self, table: StructureTable, refused: dict[int, str]) -> Evaluation:
        """Evaluate the rows that are fit; the others have their reason."""
        answer = Evaluation.refusing(table, refused)
        fit = np.array([row for row in range(len(table)) if row not in refused], np.int64)
        if len(fit):
            answer.fill(table, fit, self.evaluate(table[fit]))
        return answer

    def _evaluate(self, table: StructureTable, bonds: Bonds, rows: np.ndarray) -> Evaluation:
        try:
            energies, slopes = self._network.energies_and_slopes(
                table.numbers, rows, bonds, len(table)
            )
        except self._network.out_of_memory as error:
            return self._halves(table, error)
        forces = np.empty((len(table.numbers), 3))
        for axis in range(3):
            pull = np.bincount(bonds.second, slopes[:, axis], len(table.numbers))
            forces[:, axis] = pull - np.bincount(bonds.first, slopes[:, axis], len(table.numbers))
        owners = rows[bonds.first]
        products = np.einsum("ui,uj->uij", bonds.vectors, slopes).reshape(-1, 9)
        virials = [np.bincount(owners, products[:, k], len(table)) for k in range(9)]
        stresses = np.stack(virials, axis=1).reshape(-1, 3, 3) / table.volumes[:, None, None]
        return Evaluation(energies, forces, (stresses + stresses.transpose(0, 2, 1)) / 2)

    def _halves(self, table: StructureTable, error: Exception) -> Evaluation:
        """The same in two batches, after the memory of the device was too small for one."""
        answer = Evaluation.refusing(table, {})
        if len(table) == 1:
            answer.refused[0] = f"too large for the memory of {self.device}: {error}"
            return answer
        for part in np.array_split(np.arange(len(table)), 2):
            answer.fill(table, part, self.evaluate(table[part]))
        return answer


@cache
def _shared(model: str, device: str, precision: str) -> ChgnetPotential:
    return ChgnetPotential(model, device=device, precision=precision)


def _load(model: str, device: str) -> Any:
    """The package's network in evaluation mode, with frozen weights."""
    import contextlib
    import io

    try:
        from chgnet.model import CHGNet
    except ImportError as error:
        raise missing_extra("energy", "the potential chgnet") from error
    with contextlib.redirect_stdout(io.StringIO()):  # it announces itself
        network = CHGNet.load(model_name=model, use_device=device, verbose=False)
    return network.eval().requires_grad_(False)


class _Network:
    """The layers of a CHGNet, arranged for batches; energies in eV, lengths in Å."""

    def __init__(self, model: Any, device: str, precision: str) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self.out_of_memory = torch.cuda.OutOfMemoryError
        self._dtype = getattr(torch, precision)
        self._model = model.to(dtype=self._dtype)
        self.cutoff = float(model.graph_converter.atom_graph_cutoff)
        self.short_cutoff = float(model.graph_converter.bond_graph_cutoff)
        self._atom_convolutions = [
            _Gated(layer.twoBody_atom, 3, layer.mlp_out) for layer in model.atom_conv_layers
        ]
        self._bond_convolutions = [
            _Gated(layer.twoBody_bond, 4, layer.mlp_out) for layer in model.bond_conv_layers
        ]
        # The last one changes angles that nothing looks at any more.
        self._angle_updates = [_Gated(layer.twoBody_bond, 4) for layer in model.angle_layers[:-1]]

    def energies_and_slopes(
        self, numbers: np.ndarray, rows: np.ndarray, bonds: Bonds, n_rows: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Energies of crystals and their derivatives by the bond vectors.

        Args:
            numbers: Atomic numbers, (M,).
            rows: Crystal of each atom, (M,).
            bonds: All bonds of the crystals.
            n_rows: Number of crystals, N.

        Returns:
            Energies in eV (N,) and slopes in eV/Å (U, 3), both float64.
        """
        torch = self._torch
        vectors = torch.tensor(
            bonds.vectors, dtype=self._dtype, device=self._device, requires_grad=True
        )
        graph = _Graph(self, numbers, bonds)
        sites = self._site_energies(vectors, graph)
        slopes = torch.autograd.grad(sites.sum(), vectors)[0]
        references = self._model.composition_model.fc.weight[0]
        values = (sites.detach() + references[graph.elements]).double().cpu().numpy()
        return np.bincount(rows, values, n_rows), slopes.double().cpu().numpy()

    def _site_energies(self, vectors: Any, graph: _Graph) -> Any:
        """Energy of each atom in eV without its reference energy, (M,)."""
        torch, model = self._torch, self._model
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        basis = model.bond_basis_expansion.rbf_expansion_ag(lengths)
        atoms = model.atom_embedding(graph.elements)
        bonds = model.bond_embedding(basis)
        weights = model.bond_weights_ag(basis)
        if not graph.n_angles:
            for layer in self._atom_convolutions:
                atoms = self._convolve_atoms(layer, atoms, bonds, weights, graph)
            return self._read_out(atoms)
        short = lengths[: graph.n_short]
        angles, short_weights = self._angles(vectors[: graph.n_short], short, graph)
        for step, bond_layer in enumerate(self._bond_convolutions):
            atoms = self._convolve_atoms(
                self._atom_convolutions[step], atoms, bonds, weights, graph
            )
            near = self._convolve_bonds(
                bond_layer, atoms, bonds[: graph.n_short], short_weights, angles, graph
            )
            bonds = torch.cat([near, bonds[graph.n_short :]])
            if step < len(self._angle_updates):
                update = self._angle_updates[step]
                angles = angles + update(self._around_angles(update, atoms, near, angles, graph))
        atoms = self._convolve_atoms(self._atom_convolutions[-1], atoms, bonds, weights, graph)
        return self._read_out(atoms)

    def _read_out(self, atoms: Any) -> Any:
        if self._model.readout_norm is not None:
            atoms = self._model.readout_norm(atoms)
        return self._model.mlp(atoms).view(-1)

    def _angles(self, vectors: Any, lengths: Any, graph: _Graph) -> tuple[Any, Any]:
        """Features of the angles, both ways round (2A, F), and their smooth weights (2A, F)."""
        torch, model = self._torch, self._model
        units = vectors / lengths[:, None]
        directed = torch.cat([units, -units])
        basis = model.angle_basis_expansion(directed[graph.left], directed[graph.right])
        weights = model.bond_weights_bg(model.bond_basis_expansion.rbf_expansion_bg(lengths))
        a, b = graph.angle_bonds[: graph.n_angles], graph.angle_bonds[graph.n_angles :]
        product = weights.index_select(0, a) * weights.index_select(0, b)
        return model.angle_embedding(basis).repeat(2, 1), product.repeat(2, 1)

    def _convolve_atoms(
        self, layer: _Gated, atoms: Any, bonds: Any, weights: Any, graph: _Graph
    ) -> Any:
        """Messages along each bond, both ways, added to the atoms (M, F)."""
        centre, bond, neighbour = layer.blocks
        at_centre = self._torch.addmm(layer.bias, atoms, centre)
        at_neighbour = atoms @ neighbour
        along = bonds @ bond
        forth = at_centre.index_select(0, graph.first) + at_neighbour.index_select(0, graph.second)
        back = at_centre.index_select(0, graph.second) + at_neighbour.index_select(0, graph.first)
        messages = layer(self._torch.cat([forth + along, back + along]))
        messages = messages * weights.repeat(2, 1)
        total = self._torch.zeros_like(atoms).index_add(0, graph.ends, messages)
        return atoms + layer.out(total)

    def _convolve_bonds(
        self, layer: _Gated, atoms: Any, bonds: Any, weights: Any, angles: Any, graph: _Graph
    ) -> Any:
        """Messages from each angle, both ways round, added to its bonds (S, F)."""
        messages = layer(self._around_angles(layer, atoms, bonds, angles, graph)) * weights
        total = self._torch.zeros_like(bonds).index_add(0, graph.angle_bonds, messages)
        return bonds + layer.out(total)

    def _around_angles(
        self, layer: _Gated, atoms: Any, bonds: Any, angles: Any, graph: _Graph
    ) -> Any:
        """The first linear layer for each angle, both ways round, (2A, 2F)."""
        left, right, own, centre = layer.blocks
        inputs = self._torch.addmm(layer.bias, angles, own)
        inputs = inputs + (atoms @ centre).index_select(0, graph.centres)
        inputs = inputs + (bonds @ left).index_select(0, graph.angle_bonds)
        return inputs + (bonds @ right).index_select(0, graph.other_bonds)


class _Graph:
    """Index arrays of a batch on the device; names as in :mod:`matscale.energy.neighbours`."""

    def __init__(self, network: _Network, numbers: np.ndarray, bonds: Bonds) -> None:
        import torch

        def on_device(values: np.ndarray) -> Any:
            return torch.from_numpy(np.ascontiguousarray(values, np.int64)).to(network._device)

        angles = find_angles(bonds, len(numbers))
        short = bonds.n_short
        self.elements = on_device(numbers.astype(np.int64) - 1)
        self.first, self.second = on_device(bonds.first), on_device(bonds.second)
        self.ends = torch.cat([self.first, self.second])
        self.n_short, self.n_angles = short, len(angles.centre)
        self.left, self.right = on_device(angles.left), on_device(angles.right)
        self.centres = on_device(angles.centre).repeat(2)
        a, b = self.left % max(short, 1), self.right % max(short, 1)
        self.angle_bonds, self.other_bonds = torch.cat([a, b]), torch.cat([b, a])


class _Gated:
    """A gated perceptron: silu(norm(core)) * sigmoid(norm(gate)), first layer split by input."""

    def __init__(self, gated: Any, n_inputs: int, out: Any = None) -> None:
        import torch

        core, gate = _linear_layers(gated.mlp_core), _linear_layers(gated.mlp_gate)
        weight = torch.cat([core[0].weight, gate[0].weight])
        self.bias = torch.cat([core[0].bias, gate[0].bias])
        self.blocks = [block.t().contiguous() for block in weight.chunk(n_inputs, dim=1)]
        self._deeper = (core[1], gate[1]) if len(core) > 1 else None
        self._norms = (gated.bn1, gated.bn2)
        self._width = core[0].out_features
        self.out = out

    def __call__(self, inputs: Any) -> Any:
        """From the first layer's outputs (rows, 2F), core beside gate, to (rows, F)."""
        from torch.nn import functional

        if self._deeper is not None:
            inputs = functional.silu(inputs)
        core, gate = inputs[:, : self._width], inputs[:, self._width :]
        if self._deeper is not None:
            core, gate = self._deeper[0](core), self._deeper[1](gate)
        core, gate = self._norms[0](core), self._norms[1](gate)
        return functional.silu(core) * gate.sigmoid()


def _linear_layers(perceptron: Any) -> list[Any]:
    from torch.nn import Linear

    return [layer for layer in perceptron.layers if isinstance(layer, Linear)]
