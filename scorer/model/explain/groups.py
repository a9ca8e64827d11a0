"""Cuts trees into groups: subtrees of a few splits, counting those on the path to the subtree."""

from typing import NamedTuple

import numpy as np

from scorer.arrays.kernel import Floats, Ints, Ints32, entry, kernel
from scorer.model.trees.forest import Forest

GROUP_BITS = 7  # splits of a group, unless a path is longer; with 6, explaining takes a third longer
MOST_BITS = 16  # the most splits on a path
QUEUE = 2 * MOST_BITS + 1  # nodes of a subtree with that many splits
ABOVE, ROOT, INSIDE = range(3)  # where a node is: above all groups, the root of one, or inside one


class Groups(NamedTuple):
    """The groups of all trees. A split has the number that it has among the splits of its tree, level by level."""

    splits: Ints32  # [splits]: the node of each split, tree by tree
    split_starts: Ints32  # [trees + 1]: where the splits of each tree begin
    group_starts: Ints32  # [trees + 1]: where the groups of each tree begin
    roots: Ints32  # [groups]: the root of each group's subtree
    decision_starts: Ints32  # [groups + 1]: where the splits of each group begin in `decisions`
    feature_starts: Ints32  # [groups + 1]: where the columns of each group begin in `features`
    decisions: Ints32  # [decisions]: the numbers of a group's splits; the first is the lowest bit of a combination
    features: Ints32  # [decisions]: the columns that a group reads, as indexes of `Forest.features`; then unused
    table_starts: Ints  # [groups + 1]: where the table of each group begins, with all combinations of a column together


class Shape(NamedTuple):
    """What the groups are made from: the nodes of the forest, in its order."""

    feature: Ints32  # [nodes]: the column that a split reads, as an index of `Forest.features`
    cover: Floats  # [nodes]: the weight of the training rows that reach the node
    parent: Ints32  # [nodes]: -1 for a root
    level: Ints32  # [nodes]: how many splits are above
    number: Ints32  # [nodes]: a split's number in its tree
    inner: Ints32  # [nodes]: how many splits the subtree has
    deepest: Ints32  # [nodes]: the level of its deepest leaf
    role: Ints32  # [nodes]: ABOVE, ROOT or INSIDE


class Cut(NamedTuple):
    """A forest that is cut into groups."""

    forest: Forest
    shape: Shape
    groups: Groups


@kernel
def _end(tree: int, forest: Forest, shape: Shape) -> int:
    """Return the index after the last node of a tree."""
    last = tree + 1 == forest.trees.shape[1]
    return len(shape.parent) if last else forest.trees[0, tree + 1]


@entry
def survey(forest: Forest, shape: Shape) -> None:
    """Fill everything in a shape but `feature` and `cover`.

    A group is a subtree that has at most GROUP_BITS splits, counting those above it, or no more than the path to its
    deepest leaf: the table of that leaf alone would be no smaller.
    """
    left = forest.left
    for tree in range(forest.trees.shape[1]):
        root, end, count = forest.trees[0, tree], _end(tree, forest, shape), 0
        shape.parent[root], shape.level[root] = -1, 0
        for node in range(root, end):  # a parent comes before its children
            shape.inner[node], shape.deepest[node] = 0, shape.level[node]
            if left[node] == node:
                continue
            shape.inner[node], shape.number[node] = 1, count
            count += 1
            for child in range(left[node], left[node] + 2):
                shape.parent[child], shape.level[child] = node, shape.level[node] + 1
        for node in range(end - 1, root, -1):
            parent = shape.parent[node]
            shape.inner[parent] += shape.inner[node]
            shape.deepest[parent] = max(shape.deepest[parent], shape.deepest[node])
        for node in range(root, end):
            parent = shape.parent[node]
            if parent >= 0 and shape.role[parent] != ABOVE:
                shape.role[node] = INSIDE
            elif shape.level[node] + shape.inner[node] <= max(GROUP_BITS, shape.deepest[node]):
                shape.role[node] = ROOT
            else:
                shape.role[node] = ABOVE


@kernel
def gather(node: int, forest: Forest, queue: Ints32) -> int:
    """Fill a queue, int32 [QUEUE], with the nodes of a subtree, parents first; return how many there are."""
    queue[0] = node
    count, at = 1, 0
    while at < count:
        here = queue[at]
        if forest.left[here] != here:
            queue[count], queue[count + 1] = forest.left[here], forest.left[here] + 1
            count += 2
        at += 1
    return count


@kernel
def _add_split(node: int, group: int, bits: int, columns: int, cut: Cut) -> int:
    """Add a split to a group that has some splits and columns, and return how many columns it has now."""
    shape, groups = cut.shape, cut.groups
    groups.decisions[groups.decision_starts[group] + bits] = shape.number[node]
    first = groups.feature_starts[group]
    for at in range(first, first + columns):
        if groups.features[at] == shape.feature[node]:
            return columns
    groups.features[first + columns] = shape.feature[node]
    return columns + 1


@entry
def list_groups(cut: Cut, queue: Ints32) -> None:
    """Fill the groups of a forest.

    Args:
        cut: with a shape that is filled by `survey`, and groups to be filled; the first item of each `_starts` is 0.
        queue: int32 [QUEUE], what the kernel works in.
    """
    forest, shape, groups = cut.forest, cut.shape, cut.groups
    group = split = 0
    for tree in range(forest.trees.shape[1]):
        for node in range(forest.trees[0, tree], _end(tree, forest, shape)):
            if forest.left[node] != node:
                groups.splits[split] = node
                split += 1
            if shape.role[node] != ROOT or shape.deepest[node] == 0:  # a tree that is a leaf adds nothing
                continue
            bits = columns = 0
            above = shape.parent[node]
            while above >= 0:
                columns = _add_split(above, group, bits, columns, cut)
                bits += 1
                above = shape.parent[above]
            for at in range(gather(node, forest, queue)):
                below = queue[at]
                if forest.left[below] != below:
                    columns = _add_split(below, group, bits, columns, cut)
                    bits += 1
            groups.roots[group] = node
            groups.decision_starts[group + 1] = groups.decision_starts[group] + bits
            groups.feature_starts[group + 1] = groups.feature_starts[group] + columns
            groups.table_starts[group + 1] = groups.table_starts[group] + (np.int64(columns) << bits)
            group += 1
        groups.split_starts[tree + 1], groups.group_starts[tree + 1] = split, group
