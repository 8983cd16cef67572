//! What can be done side by side.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Does something with each item, in `threads` threads, of which this is one. What came of each, in the items' order.
/// Where one of the threads panics, so does this one.
pub fn in_threads<T: Sync, R: Send>(threads: usize, items: &[T], one: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let some = || {
        let taken = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let taken = taken.map_while(|at| Some((at, items.get(at)?)));
        taken.map(|(at, item)| (at, one(item))).collect::<Vec<_>>()
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(some)).collect();
        let mut done = some();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_items_is_in_their_order() {
        let items: Vec<usize> = (0..100).collect();
        for threads in [0, 1, 3, 200] {
            let doubled = in_threads(threads, &items, |item| item * 2);
            assert!(doubled.iter().enumerate().all(|(at, double)| *double == at * 2), "{threads}");
            assert_eq!(doubled.len(), items.len());
        }
        assert!(in_threads(4, &[], |item: &usize| *item).is_empty());
    }

    #[test]
    #[should_panic(expected = "three")]
    fn a_panic_goes_on() {
        in_threads(2, &[1, 2, 3], |item| assert_ne!(*item, 3, "three"));
    }
}
