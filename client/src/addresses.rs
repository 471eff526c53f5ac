//! Which routers to try, and in what order.

use crate::dice;

/// How many routers are remembered; those of the configuration always are.
const MOST: usize = 64;

/// The routers of the configuration, and those learned from them.
#[derive(Debug)]
pub(crate) struct Addresses {
    all: Vec<String>,
    next: usize,
    hint: Option<String>,
}

impl Addresses {
    /// Starts anywhere in the list, so that many clients spread over the routers.
    pub(crate) fn new(routers: &[String]) -> Self {
        let all: Vec<_> = routers.iter().filter_map(|router| normal(router)).collect();
        let next = if all.is_empty() { 0 } else { dice::index(all.len()) };
        Self { all, next, hint: None }
    }

    /// Whether there is nobody to try.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The next router to try: the hint if there is one, else the next in turn.
    pub(crate) fn next(&mut self) -> String {
        if let Some(hint) = self.hint.take() {
            return hint;
        }
        let address = self.all[self.next % self.all.len()].clone();
        self.next = (self.next + 1) % self.all.len();
        address
    }

    /// Remembers other routers. What is no URL of ours is passed over.
    pub(crate) fn learn(&mut self, alternates: &[String]) {
        for address in alternates.iter().filter_map(|address| normal(address)) {
            if self.all.len() < MOST && !self.all.contains(&address) {
                self.all.push(address);
            }
        }
    }

    /// Tries this router next.
    pub(crate) fn hint(&mut self, address: &str) {
        self.hint = normal(address);
    }
}

/// The URL without a trailing slash; `host:port` alone means plaintext.
fn normal(address: &str) -> Option<String> {
    let address = address.trim().trim_end_matches('/');
    match address.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() => Some(address.to_owned()),
        Some(_) => None,
        None if address.is_empty() => None,
        None => Some(format!("http://{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_round_and_takes_hints_first() {
        let mut addresses = Addresses::new(&["http://a:1/".into(), "b:2".into(), "ws://c:3".into()]);
        let two = [addresses.next(), addresses.next()];
        assert!(two.contains(&"http://a:1".to_owned()) && two.contains(&"http://b:2".to_owned()));
        addresses.hint("https://d:4");
        assert_eq!(addresses.next(), "https://d:4");
        addresses.learn(&["http://e:5".into(), "http://a:1".into(), "wss://f:6".into()]);
        assert_eq!(addresses.all.len(), 3);
    }

    #[test]
    fn remembers_a_bounded_number() {
        let mut addresses = Addresses::new(&["http://a:1".into()]);
        let many: Vec<_> = (0..1_000).map(|port| format!("http://b:{port}")).collect();
        addresses.learn(&many);
        assert_eq!(addresses.all.len(), MOST);
    }
}
