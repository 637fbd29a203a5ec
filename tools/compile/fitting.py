"""Splitting and fitting. Bytes of the model must not depend on the machine:
integers where it is simple, else doubles with + - * / only and sums by
math.fsum, which rounds once (sum() of floats changed in Python 3.12)."""
import math
import operator


def apportion(total, weights):
    """Splits total by weights into integers that sum to it (largest
    remainder; ties go to the lower index)."""
    s = sum(weights)
    if s == 0:
        return [0] * len(weights)
    base = [total * w // s for w in weights]
    order = sorted(range(len(weights)),
                   key=lambda k: (-(total * weights[k] % s), k))
    for k in order[:total - sum(base)]:
        base[k] += 1
    return base


def fit(rows, cols, allowed, rounds=60):
    """Iterative proportional fitting with structural zeros, in integers:
    cell[r][c] with row sums near rows and column sums near cols."""
    big = 1 << 40
    cell = [[big if allowed(r, c) and rows[r] and cols[c] else 0
             for c in range(len(cols))] for r in range(len(rows))]
    rt, ct = sum(rows), sum(cols)
    for _ in range(rounds):
        for c in range(len(cols)):
            s = sum(row[c] for row in cell)
            if s:
                want = cols[c] * big * 64 // ct
                for row in cell:
                    row[c] = row[c] * want // s
        for r in range(len(rows)):
            s = sum(cell[r])
            if s:
                want = rows[r] * big * 64 // rt
                cell[r] = [v * want // s for v in cell[r]]
    return cell


def dot(a, b):
    return math.fsum(map(operator.mul, a, b))


def variation(got, want):
    """Total variation of two tables of counts (dicts), each made to sum to
    one: half the sum of differences over the cells of want."""
    g = math.fsum(got.get(k, 0) for k in want)
    w = math.fsum(want.values())
    return math.fsum(abs(got.get(k, 0) / g - v / w)
                     for k, v in want.items()) / 2
