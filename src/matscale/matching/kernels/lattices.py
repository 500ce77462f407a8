"""Which vectors of one lattice can stand for the cell of another: pymatgen's lattice mappings.

pymatgen's ``Lattice.find_all_mappings`` collects the lattice points about as long as the target's
a, b and c, in the order in which its neighbour search happens to find them, and keeps the triples
whose angles agree. Where several mappings are equally good, its answer is the first of them, so
the order is part of the semantics. It is: by the cube of edge r (the search radius) that holds the
point, cubes in rising x, y, z; inside a cube by falling integer coordinates.
"""

from __future__ import annotations

import math

from matscale.matching.kernels.algebra import DEGREES, dot3, fma
from matscale.matching.kernels.compiling import kernel

TOO_MANY = -1
CUBES, SHELLS = 3, 4
"""Rows of the workspace's ``tally`` that are used here."""
LIMITS = 16
"""The workspace's ``small`` matrix that holds the limits of the cosines."""
NEAR = 2e-3
"""Relative distance of a length to a limit that is looked at; more than a rotation's error."""
EDGE = 1e-9
"""Cosines this close to a limit are decided on the angle itself, as pymatgen does."""


@kernel
def _shells_of(square, lengths, ltol, bands, nearest):
    """Which of the three lengths a lattice point may stand for, as bits.

    Args:
        square: Squared length of the point in Å^2.
        lengths: a, b and c of the target, (3,) in Å.
        ltol: Relative tolerance of lengths.
        bands: For each length the squares between which it is surely within tolerance, and those
            outside of which it is surely not nearer than NEAR to a limit, (3, 4) in rising order.
        nearest: How near, as a ratio, any length was to a limit; lowered if this one is nearer.

    Returns:
        The bits, and ``nearest``.
    """
    shells = 0
    for s in range(3):
        if square < bands[s, 0] or square > bands[s, 3]:
            continue
        if bands[s, 1] < square < bands[s, 2]:
            shells |= 1 << s
            continue
        ratio = math.sqrt(square) / lengths[s]
        nearest = min(nearest, abs(ratio / (1 + ltol) - 1), abs(ratio * (1 + ltol) - 1))
        if ratio < 1 + ltol and ratio > 1 / (1 + ltol):
            shells |= 1 << s
    return shells, nearest


@kernel
def _collect(cell, spacings, lengths, ltol, space):
    """Points of the shells by falling integer coordinates, with their cubes; their number.

    Opposite points are equally long, and the origin is in no shell: half of them is looked at.

    ``space.nearest`` receives how near any point is to a limit of the lengths, as a ratio up to
    NEAR; points just outside of the limits count too.
    """
    longest = max(lengths[0], max(lengths[1], lengths[2])) * (1 + ltol)
    reach = longest if longest >= 1.0 else 1.0 + 1e-8
    limit = reach * reach + 1e-8
    start = (0.0 - reach) - 1e-8
    shortest = min(lengths[0], min(lengths[1], lengths[2])) / (1 + ltol)
    inner = shortest * shortest * (1 - NEAR) ** 2
    outer = limit * (1 + NEAR) ** 2
    nearest = NEAR
    bands = space.bands
    for s in range(3):
        low, high = lengths[s] / (1 + ltol), lengths[s] * (1 + ltol)
        bands[s, 0], bands[s, 1] = (low * (1 - NEAR)) ** 2, (low * (1 + NEAR)) ** 2
        bands[s, 2], bands[s, 3] = (high * (1 - NEAR)) ** 2, (high * (1 + NEAR)) ** 2
    cc = dot3(cell[2], cell[2])
    ac, bc = dot3(cell[0], cell[2]), dot3(cell[1], cell[2])
    margin = reach * (1 + NEAR) * 1.000001
    na, nb = int(margin / spacings[0]), int(margin / spacings[1])
    count = 0
    capacity = len(space.norms)
    for i in range(na, -1, -1):
        for j in range(nb, -nb - 1 if i > 0 else -1, -1):
            x = i * cell[0, 0] + j * cell[1, 0]
            y = i * cell[0, 1] + j * cell[1, 1]
            z = i * cell[0, 2] + j * cell[1, 2]
            # |(x, y, z) + k c|^2 <= outer holds for k between the roots of a quadratic.
            middle = -(i * ac + j * bc) / cc
            inside = middle * middle - (x * x + y * y + z * z - outer) / cc
            if inside < -1e-6:
                continue
            half = math.sqrt(max(inside, 0.0)) + 1e-6
            last = math.ceil(middle - half) if i > 0 or j > 0 else 1
            for k in range(math.floor(middle + half), last - 1, -1):
                px, py, pz = x + k * cell[2, 0], y + k * cell[2, 1], z + k * cell[2, 2]
                square = px * px + py * py + pz * pz
                if square >= outer or square < inner:
                    continue
                shells, nearest = _shells_of(square, lengths, ltol, bands, nearest)
                if shells == 0 or square >= limit:
                    continue
                norm = math.sqrt(square)
                if reach > longest and norm > longest:
                    continue
                if 2 * count + 2 > capacity:
                    return TOO_MANY
                space.steps[count, 0], space.steps[count, 1], space.steps[count, 2] = i, j, k
                space.place[1, count] = _cube(px, py, pz, start, reach)
                space.place[2, count] = shells
                count += 1
                mirror = capacity - count
                space.place[1, mirror] = _cube(-px, -py, -pz, start, reach)
    space.nearest[0] = nearest
    _mirror(count, space)
    return 2 * count


@kernel
def _cube(x, y, z, start, reach):
    """The number of the cube that holds a point."""
    cube = 9 * math.floor((x - start + 1e-8) / reach)
    cube += 3 * math.floor((y - start + 1e-8) / reach)
    return cube + math.floor((z - start + 1e-8) / reach)


@kernel
def _mirror(count, space):
    """Append the opposites of points in reverse: they fall where the points do."""
    capacity = len(space.norms)
    for p in range(count):
        q = 2 * count - 1 - p
        for x in range(3):
            space.steps[q, x] = -space.steps[p, x]
        space.place[2, q] = space.place[2, p]
    # The cubes lie at the other end of the row, the last first.
    for p in range(count):
        space.place[1, count + p] = space.place[1, capacity - count + p]


@kernel
def candidates(cell, spacings, lengths, ltol, space, counts):
    """Lattice points that may stand for the target's a, b and c, in pymatgen's order.

    Args:
        cell: Lattice vectors as rows, (3, 3) in Å.
        spacings: Distances between its lattice planes, (3,) in Å.
        lengths: a, b and c of the target, (3,) in Å.
        ltol: Relative tolerance of lengths.
        space: Workspace; receives ``points``, ``norms`` and the indices ``shells[:3]``.
        counts: Receives the number of points in each shell, (3,) int64; all zero if any is.

    Returns:
        False if there are more points than the workspace holds; none is lost in silence.
    """
    count = _collect(cell, spacings, lengths, ltol, space)
    if count == TOO_MANY:
        return False
    order, cubes, shells = space.place[0], space.place[1], space.place[2]
    counts[:3] = 0
    union = 0
    for p in range(count):
        union |= shells[p]
    if union != 7:
        return True
    starts = space.tally[CUBES]
    starts[:28] = 0
    for p in range(count):
        starts[cubes[p] + 1] += 1
    for cube in range(27):
        starts[cube + 1] += starts[cube]
    for p in range(count):
        order[starts[cubes[p]]] = p
        starts[cubes[p]] += 1
    for q in range(count):
        p = order[q]
        i, j, k = float(space.steps[p, 0]), float(space.steps[p, 1]), float(space.steps[p, 2])
        for x in range(3):
            space.points[p, x] = fma(k, cell[2, x], fma(j, cell[1, x], i * cell[0, x]))
        v = space.points[p]
        space.norms[p] = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
        for s in range(3):
            if shells[p] >> s & 1:
                space.shells[s, counts[s]] = p
                counts[s] += 1
    return True


@kernel
def cosine_limits(angle, atol, out):
    """``out`` = the cosines between which an angle is within ``atol`` of ``angle`` (degrees)."""
    out[0] = math.cos((angle + atol) / DEGREES) if angle + atol < 180 else -2.0
    out[1] = math.cos((angle - atol) / DEGREES) if angle - atol > 0 else 2.0


@kernel
def angle_agrees(space, p, q, limits, angle, atol):
    """Whether the angle between points ``p`` and ``q`` is within ``atol`` of ``angle``."""
    v, w = space.points[p], space.points[q]
    product = fma(v[2], w[2], fma(v[1], w[1], v[0] * w[0]))
    cosine = product / space.norms[p] / space.norms[q]
    if limits[0] + EDGE < cosine < limits[1] - EDGE:
        return True
    if cosine < limits[0] - EDGE or cosine > limits[1] + EDGE:
        return False
    between = math.acos(min(1.0, max(-1.0, cosine))) * DEGREES
    return abs(between - angle) <= atol


@kernel
def angle_at_limit(space, p, q, limits, slack):
    """Whether the cosine of the angle between two points is near a limit."""
    cosine = dot3(space.points[p], space.points[q]) / space.norms[p] / space.norms[q]
    return abs(cosine - limits[0]) < slack or abs(cosine - limits[1]) < slack


@kernel
def directions(space, counts):
    """Fill ``space.units`` with the directions of the points in the shells."""
    for s in range(3):
        for k in range(counts[s]):
            p = space.shells[s, k]
            for x in range(3):
                space.units[3 * s + x, k] = space.points[p, x] / space.norms[p]


@kernel
def _mark(units, first, count, x, y, z, low, high, hits):
    """``hits`` = directions whose cosine with (x, y, z) is between limits; it vectorises."""
    for k in range(count):
        cosine = units[first, k] * x + units[first + 1, k] * y + units[first + 2, k] * z
        hits[k] = (cosine > low) & (cosine < high)


@kernel
def any_at_limit(space, shell, count, i, limits, slack):
    """Whether some point of a shell is at an angle to point ``i`` of the first near a limit."""
    units = space.units
    x, y, z = units[0, i], units[1, i], units[2, i]
    near = 0
    for k in range(count):
        cosine = units[3 * shell, k] * x + units[3 * shell + 1, k] * y
        cosine += units[3 * shell + 2, k] * z
        near += (abs(cosine - limits[0]) < slack) | (abs(cosine - limits[1]) < slack)
    return near > 0


@kernel
def choose(space, shell, count, i, limits, angle, atol, row):
    """Put the points of a shell at the right angle to point ``i`` of the first into a row.

    Args:
        space: Workspace with directions filled in.
        shell: Which shell: 1 or 2.
        count: Points in it.
        i: Place of the other point in the first shell.
        limits: As from :func:`cosine_limits`.
        angle: The angle in degrees.
        atol: Its tolerance.
        row: Row of ``space.shells`` that receives the points.

    Returns:
        Their number.
    """
    units, hits, shells = space.units, space.hits, space.shells
    x, y, z = units[0, i], units[1, i], units[2, i]
    _mark(units, 3 * shell, count, x, y, z, limits[0] - 2 * EDGE, limits[1] + 2 * EDGE, hits)
    chosen = 0
    for k in range(count):
        if hits[k] and angle_agrees(space, shells[0, i], shells[shell, k], limits, angle, atol):
            shells[row, chosen] = shells[shell, k]
            chosen += 1
    return chosen


@kernel
def gather_steps(space, row, count):
    """Put the integer coordinates of the points of a row of ``shells`` side by side."""
    for k in range(count):
        p = space.shells[row, k]
        for x in range(3):
            space.chosen[x, k] = space.steps[p, x]


@kernel
def mark_supercells(space, p, q, count, fu):
    """``space.hits`` = which gathered points span a supercell of ``fu`` cells with p and q.

    Returns:
        How many; whole numbers this small are exact as floats.
    """
    s, chosen, hits = space.steps, space.chosen, space.hits
    x = float(s[p, 1] * s[q, 2] - s[p, 2] * s[q, 1])
    y = float(s[p, 2] * s[q, 0] - s[p, 0] * s[q, 2])
    z = float(s[p, 0] * s[q, 1] - s[p, 1] * s[q, 0])
    total = 0
    for k in range(count):
        hit = abs(x * chosen[0, k] + y * chosen[1, k] + z * chosen[2, k]) == fu
        hits[k] = hit
        total += hit
    return total


@kernel
def supercell_size(space, p, q, r):
    """Cells in the supercell that three lattice points span: an absolute determinant."""
    s = space.steps
    value = (
        s[p, 0] * (s[q, 1] * s[r, 2] - s[q, 2] * s[r, 1])
        - s[p, 1] * (s[q, 0] * s[r, 2] - s[q, 2] * s[r, 0])
        + s[p, 2] * (s[q, 0] * s[r, 1] - s[q, 1] * s[r, 0])
    )
    return abs(value)


@kernel
def mappings(cell, spacings, target, ltol, atol, space, out):
    """All mappings, as ``Lattice.find_all_mappings`` yields them; for tests and for Niggli cells.

    Args:
        cell: Lattice vectors as rows, (3, 3) in Å.
        spacings: Distances between its lattice planes, (3,) in Å.
        target: Lattice parameters of the other cell, (6,) in Å and degrees.
        ltol: Relative tolerance of lengths.
        atol: Tolerance of angles in degrees.
        space: Workspace.
        out: Receives indices of points, (m, 3) int64; the first m mappings are kept.

    Returns:
        Number of mappings found, at most m; -1 if there are too many points.
    """
    counts = space.tally[SHELLS]
    if not candidates(cell, spacings, target[:3], ltol, space, counts):
        return TOO_MANY
    limits = space.small[LIMITS]
    for s in range(3):
        cosine_limits(target[3 + s], atol, limits[s])
    count = 0
    a, b, c = space.shells[0], space.shells[1], space.shells[2]
    for i in range(counts[0]):
        for j in range(counts[1]):
            if not angle_agrees(space, a[i], b[j], limits[2], target[5], atol):
                continue
            for k in range(counts[2]):
                if supercell_size(space, a[i], b[j], c[k]) == 0:
                    continue
                if not angle_agrees(space, a[i], c[k], limits[1], target[4], atol):
                    continue
                if not angle_agrees(space, b[j], c[k], limits[0], target[3], atol):
                    continue
                if count == len(out):
                    return count
                out[count, 0], out[count, 1], out[count, 2] = a[i], b[j], c[k]
                count += 1
    return count
