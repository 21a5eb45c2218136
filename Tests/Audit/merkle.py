"""The hash tree of RFC 6962: compact ranges, inclusion and consistency proofs, and the names of C2SP tiles."""
import hashlib

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data):
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """A tree that only grows: `size` leaves, and the roots of its perfect subtrees, largest first."""

    def __init__(self, size=0, roots=()):
        if len(roots) != size.bit_count():
            raise ValueError(f"{len(roots)} roots for a tree of {size} leaves: there must be {size.bit_count()}")
        self.size = size
        self.roots = list(roots)

    def append(self, leaf):
        """Adds a leaf by its hash."""
        size, joined = self.size, leaf
        while size & 1:
            joined = node_hash(self.roots.pop(), joined)
            size >>= 1
        self.roots.append(joined)
        self.size += 1

    def root(self):
        if not self.roots:
            return EMPTY_ROOT
        joined = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            joined = node_hash(left, joined)
        return joined


def split(size):
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


class Tree:
    """All leaf hashes of a tree, for proofs of any of its sizes. Hashes of ranges are kept: they depend on no size."""

    def __init__(self, leaves):
        self.leaves = list(leaves)
        self._known = {}

    def range_root(self, low, high):
        """MTH of the leaves from `low` to before `high` (RFC 6962, 2.1)."""
        if high - low < 2:
            return self.leaves[low] if low < high else EMPTY_ROOT
        if (low, high) not in self._known:
            middle = low + split(high - low)
            self._known[low, high] = node_hash(self.range_root(low, middle), self.range_root(middle, high))
        return self._known[low, high]

    def root(self, size):
        return self.range_root(0, size)

    def inclusion(self, index, size):
        """PATH of leaf `index` in the tree of `size` leaves, nearest sibling first (RFC 6962, 2.1.1)."""
        low, high, path = 0, size, []
        while high - low > 1:
            middle = low + split(high - low)
            if index < middle:
                path.append(self.range_root(middle, high))
                high = middle
            else:
                path.append(self.range_root(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old, new):
        """PROOF that the tree of `new` leaves begins with that of `old` ≥ 1 (RFC 6962, 2.1.2)."""
        low, high, whole, path = 0, new, True, []
        while old < high:
            middle = low + split(high - low)
            if old <= middle:
                path.append(self.range_root(middle, high))
                high = middle
            else:
                path.append(self.range_root(low, middle))
                low, whole = middle, False
        return ([] if whole else [self.range_root(low, high)]) + path[::-1]


def includes(root, size, index, leaf, path):
    """Whether `path` proves that the tree has the hash `leaf` at `index` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, joined = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            joined = node_hash(sibling, joined)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            joined = node_hash(joined, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and joined == root


def is_consistent(old, old_root, new, new_root, path):
    """Whether `path` proves that the tree of `new` leaves begins with that of `old` (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    path = ([old_root] if old & (old - 1) == 0 else []) + list(path)
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    joined_old = joined_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            joined_old, joined_new = node_hash(sibling, joined_old), node_hash(sibling, joined_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            joined_new = node_hash(joined_new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and joined_old == old_root and joined_new == new_root


def tile_path(level, number, width=256):
    """Path of a C2SP tile; `level` is a number or "entries", `width` below 256 that of a partial tile."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < 256 else "")
