//! The words of the generated documents, by topic.

/// What a document can be about. Each person does one thing to one object.
pub(super) struct Topic {
    /// A person, what they do (without the `s` of the singular), and to what.
    pub people: [[&'static str; 3]; 3],
    /// What people of this topic are like.
    pub qualities: [&'static str; 2],
    /// Where they are.
    pub places: [&'static str; 2],
}

/// When a document plays.
pub(super) const SEASONS: [&str; 4] = ["spring", "summer", "autumn", "winter"];

/// All topics; no word belongs to two of them.
pub(super) const TOPICS: [Topic; 10] = [
    Topic {
        people: [["cook", "bake", "bread"], ["baker", "knead", "dough"], ["waiter", "serve", "soup"]],
        qualities: ["hungry", "busy"],
        places: ["kitchen", "restaurant"],
    },
    Topic {
        people: [["sailor", "steer", "boat"], ["diver", "collect", "pearl"], ["captain", "read", "chart"]],
        qualities: ["brave", "sunburnt"],
        places: ["harbour", "bay"],
    },
    Topic {
        people: [["pupil", "write", "essay"], ["tutor", "explain", "sum"], ["janitor", "sweep", "floor"]],
        qualities: ["curious", "patient"],
        places: ["classroom", "library"],
    },
    Topic {
        people: [["farmer", "plough", "field"], ["shepherd", "guard", "flock"], ["dairymaid", "milk", "cow"]],
        qualities: ["muddy", "cheerful"],
        places: ["barn", "meadow"],
    },
    Topic {
        people: [["nurse", "measure", "fever"], ["surgeon", "mend", "bone"], ["doctor", "treat", "wound"]],
        qualities: ["gentle", "tired"],
        places: ["ward", "clinic"],
    },
    Topic {
        people: [["judge", "hear", "case"], ["lawyer", "draft", "contract"], ["clerk", "stamp", "letter"]],
        qualities: ["stern", "formal"],
        places: ["courtroom", "office"],
    },
    Topic {
        people: [["drummer", "beat", "drum"], ["singer", "hum", "melody"], ["pianist", "play", "sonata"]],
        qualities: ["famous", "shy"],
        places: ["theatre", "studio"],
    },
    Topic {
        people: [
            ["astronaut", "repair", "antenna"],
            ["astronomer", "observe", "comet"],
            ["engineer", "build", "rocket"],
        ],
        qualities: ["calm", "clever"],
        places: ["station", "observatory"],
    },
    Topic {
        people: [["ranger", "mark", "trail"], ["hunter", "follow", "deer"], ["logger", "split", "trunk"]],
        qualities: ["silent", "bearded"],
        places: ["forest", "cabin"],
    },
    Topic {
        people: [["carpenter", "carve", "chair"], ["tailor", "sew", "coat"], ["smith", "forge", "blade"]],
        qualities: ["skilled", "stooped"],
        places: ["workshop", "cellar"],
    },
];
