//! How many rows of the screen each pane gets.
//!
//! Invariant: no more rows are given out than there are, and none is left while a pane wants one.

/// A pane as far as its height is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Rows that it can fill, its heading included.
    pub(super) rows: usize,
    /// Rows that it gets where others get one.
    pub(super) weight: usize,
}

/// A pane that is in the way of nothing: a heading and a row.
const LEAST: usize = 2;

/// The height of each: first the least for all, those of most weight before the others, then row by row by weight.
pub(super) fn heights(mut left: usize, wishes: &[Wish]) -> Vec<usize> {
    let mut heights = vec![0; wishes.len()];
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|&n| std::cmp::Reverse(wishes[n].weight));
    let mut give = |n: usize, rows: usize, heights: &mut [usize]| {
        let rows = rows.min(wishes[n].rows - heights[n]).min(left);
        heights[n] += rows;
        left -= rows;
        rows > 0
    };
    for &n in &order {
        give(n, LEAST, &mut heights);
    }
    while order.iter().filter(|&&n| give(n, wishes[n].weight, &mut heights)).count() > 0 {}
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(rows: usize, wishes: &[(usize, usize)]) -> Vec<usize> {
        let wishes: Vec<Wish> = wishes.iter().map(|&(rows, weight)| Wish { rows, weight }).collect();
        heights(rows, &wishes)
    }

    #[test]
    fn every_pane_has_its_least_and_the_rest_goes_by_weight() {
        assert_eq!(given(20, &[(3, 1), (4, 1), (100, 2), (100, 1)]), [3, 4, 8, 5]);
        assert_eq!(given(20, &[(30, 4), (4, 1), (100, 2), (100, 1)]), [10, 3, 4, 3]);
        assert_eq!(given(50, &[(3, 1), (4, 1), (5, 2), (6, 1)]), [3, 4, 5, 6]);
    }

    #[test]
    fn where_there_is_no_room_the_pane_of_most_weight_is_the_last_to_go() {
        assert_eq!(given(3, &[(3, 1), (4, 1), (100, 4), (9, 1)]), [1, 0, 2, 0]);
        assert_eq!(given(0, &[(3, 1), (4, 2)]), [0, 0]);
        assert_eq!(given(9, &[]), [0; 0]);
    }
}
