//! Turns `recipes.toml` into Rust. The end of the chain that starts in oven-sys:
//! a recipe that is too hot for the oven stops the build.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, error, fs};

use glaze::Glaze;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    recipe: Vec<Recipe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    name: String,
    celsius: u32,
    minutes: u32,
    glaze: Option<String>,
    allergens: Vec<String>,
}

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=recipes.toml");
    let book: Book = toml::from_str(&fs::read_to_string("recipes.toml")?)?;
    let max_celsius: u32 = env::var("DEP_OVEN_CONTROL_MAX_CELSIUS")?.parse()?;

    let mut code = String::new();
    writeln!(
        code,
        "const HOST_GLAZE_CAN_PARSE: bool = {};",
        glaze::CAN_PARSE
    )?;
    writeln!(code, "/// Every recipe, by name.")?;
    writeln!(code, "pub static RECIPES: &[Recipe] = &[")?;
    for recipe in book.recipe {
        let Recipe {
            name,
            celsius,
            minutes,
            glaze,
            allergens,
        } = recipe;
        if celsius > max_celsius {
            return Err(format!("{name}: the oven goes up to {max_celsius} C").into());
        }
        let glaze = match glaze.map(|glaze| glaze.parse::<Glaze>()).transpose()? {
            Some(glaze) => format!("Some(Glaze::{glaze:?})"),
            None => "None".to_owned(),
        };
        let allergens = allergens
            .iter()
            .fold("Allergens::empty()".to_owned(), |all, one| {
                format!("{all}.union(Allergens::{one})")
            });
        writeln!(
            code,
            "    Recipe {{ name: {name:?}, celsius: {celsius}, minutes: {minutes}, \
             glaze: {glaze}, allergens: {allergens} }},"
        )?;
    }
    writeln!(code, "];")?;

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out_dir.join("recipes.rs"), code)?;
    Ok(())
}
