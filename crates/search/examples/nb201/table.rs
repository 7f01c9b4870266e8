//! The table of trained networks by grid number.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use autodistillation_search::{
    Architecture, Choice, Dimension, FeasibleSpace, KnownGoals, SearchSpace, hypervolume::hypervolume,
};

/// A column a measurement, a row a network.
pub struct Table {
    pub space: SearchSpace,
    columns: BTreeMap<String, Arc<[f64]>>,
}

impl Table {
    pub fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let text = std::fs::read_to_string(path)?;
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().ok_or("the table is empty")?;
        let rows: Vec<Vec<&str>> = lines.collect();
        let searched = header.iter().filter(|name| name.starts_with("op")).count();
        let dimension = |at: usize| {
            let mut choices: Vec<&str> = rows.iter().map(|row| row[at]).collect();
            choices.sort_unstable();
            choices.dedup();
            Dimension::new(header[at], choices)
        };
        let space = SearchSpace::new((0..searched).map(dimension).collect())?;
        let mut columns = vec![vec![f64::NAN; rows.len()]; header.len() - searched];
        for row in &rows {
            let choices = header.iter().zip(row).take(searched);
            let architecture: Architecture =
                choices.map(|(name, value)| (*name, Choice::from(*value))).collect();
            let index = space.index_of(&architecture).ok_or("a row is outside the grid")? as usize;
            for (column, value) in columns.iter_mut().zip(&row[searched..]) {
                column[index] = value.parse()?;
            }
        }
        let named = header[searched..].iter().map(|name| (*name).to_owned());
        Ok(Self { space, columns: named.zip(columns.into_iter().map(Into::into)).collect() })
    }

    pub fn column(&self, name: &str) -> Result<&[f64], Box<dyn Error>> {
        Ok(self.columns.get(name).ok_or_else(|| format!("the table has no column {name}"))?)
    }

    pub fn row(&self, architecture: &Architecture) -> Result<usize, Box<dyn Error>> {
        Ok(self.space.index_of(architecture).ok_or("an architecture outside the grid")? as usize)
    }

    pub fn known(&self, latency: &[f64], feasible: &FeasibleSpace) -> KnownGoals {
        let (space, latency) = (self.space.clone(), latency.to_vec());
        KnownGoals::none().with("latency", feasible, move |architecture| {
            space.index_of(architecture).map_or(f64::NAN, |index| latency[index as usize])
        })
    }
}

/// The hypervolume of rows relative to that of all rows, and the reference in the goals' units.
pub struct Ruler {
    pub reference: [f64; 2],
    whole: f64,
}

impl Ruler {
    pub fn new(quality: &[f64], latency: &[f64]) -> Self {
        let lowest = quality.iter().copied().fold(f64::INFINITY, f64::min);
        let slowest = latency.iter().copied().fold(0.0, f64::max);
        let all: Vec<[f64; 2]> = quality.iter().zip(latency).map(|(q, l)| [*q, -l]).collect();
        Self { reference: [lowest, slowest], whole: hypervolume(&all, &[lowest, -slowest]) }
    }

    pub fn relative(&self, volume: f64) -> f64 {
        volume / self.whole
    }
}
