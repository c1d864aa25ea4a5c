//! Which of the two clients an option or an error is about.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Producer,
    Consumer,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Producer => "Producer",
            Role::Consumer => "Consumer",
        }
    }
}
