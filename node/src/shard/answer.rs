//! Whoever waits for the outcome of a proposal: told once, whatever happens, by the task that knows it.

use super::error::ProposeError;

type Tell<T> = dyn FnOnce(Result<T, ProposeError>) + Send;

/// See the module.
pub(super) struct Answer<T>(Option<Box<Tell<T>>>);

impl<T> Answer<T> {
    /// Calls `tell`, which must not block.
    pub(super) fn new(tell: impl FnOnce(Result<T, ProposeError>) + Send + 'static) -> Self {
        Answer(Some(Box::new(tell)))
    }

    /// Tells it.
    pub(super) fn send(mut self, result: Result<T, ProposeError>) {
        if let Some(tell) = self.0.take() {
            tell(result);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(Err(ProposeError::Unknown { reason: "the shard stopped" }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn is_told_once_and_told_that_nobody_knows_when_it_is_dropped() {
        let (told, hears) = mpsc::channel();
        let answer = || {
            let told = told.clone();
            Answer::new(move |result: Result<u8, _>| told.send(result).unwrap())
        };
        answer().send(Ok(7));
        drop(answer());
        let heard: Vec<_> = hears.try_iter().collect();
        assert_eq!(heard, [Ok(7), Err(ProposeError::Unknown { reason: "the shard stopped" })]);
    }
}
