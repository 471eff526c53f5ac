//! A reader, its law, and what inputs for it look like.

/// What a reader said of an input that keeps its law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It was read.
    Taken,
    /// It was refused, by a typed error.
    Refused,
}

/// What a check says: which way the law was kept, or how it was broken.
pub type Verdict = Result<Seen, String>;

/// How inputs of a target are built, as far as mutators care.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Fixed integers, lengths, varints.
    Bytes,
    /// Protobuf.
    Protobuf,
    /// Text; with words that mean something in it.
    Text(&'static [&'static str]),
}

/// How much memory may be live at once while an input is checked, the check's own copies included.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Bytes, whatever the input.
    pub base: usize,
    /// Bytes for each byte of the input.
    pub per_byte: usize,
}

impl Allowance {
    /// Bytes for an input of so many.
    pub fn of(self, input: usize) -> usize {
        self.base + self.per_byte * input
    }
}

/// A reader of bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// `where/what`.
    pub name: &'static str,
    /// Inputs to begin with, as valid as they can be alone.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads an input and looks whether the law holds.
    pub check: fn(&[u8]) -> Verdict,
    /// What mutators may know.
    pub shape: Shape,
    /// Makes the checksums of a mutated input right, so that it gets further than them.
    pub seal: Option<fn(&mut [u8])>,
    /// The bound on memory.
    pub allowance: Allowance,
}

impl Target {
    /// A target of binary inputs without checksums, which may take 64 bytes for each byte of input.
    pub const fn new(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, check: fn(&[u8]) -> Verdict) -> Self {
        let allowance = Allowance { base: 16 << 10, per_byte: 64 };
        Self { name, seeds, check, shape: Shape::Bytes, seal: None, allowance }
    }

    /// With inputs of another shape.
    pub const fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// With checksums.
    pub const fn sealed(self, seal: fn(&mut [u8])) -> Self {
        Self { seal: Some(seal), ..self }
    }

    /// With another bound on memory.
    pub const fn allowed(self, base: usize, per_byte: usize) -> Self {
        Self { allowance: Allowance { base, per_byte }, ..self }
    }
}
