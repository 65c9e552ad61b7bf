//! The list of bugs that a pure crate can be given on purpose: what its `mutant` module says.

/// Makes the enum `Mutant` of lines of documentation, a variant and its name in words.
#[macro_export]
macro_rules! mutants {
    ($($(#[$doc:meta])* $mutant:ident $word:literal,)*) => {
        /// A bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $mutant,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$mutant,)*];

            /// Its name.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$mutant => $word,)*
                }
            }
        }
    };
}
