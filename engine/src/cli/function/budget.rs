//! `fleetfn fn budget`: how much fuel the functions of an owner may burn.

use crate::api::{BudgetView, NewBudget, Page};
use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::person::Remark;
use fleetfn_protocol::FunctionName;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Bound the fuel of an owner's functions; what comes too fast waits
    Set(Set),
    /// List the bounds
    Ls(Ls),
    /// Take a bound away
    Rm(Rm),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// What stands before the first dot of the functions' names
    owner: FunctionName,
    /// Fuel in a second, in each partition
    fuel_per_s: u64,
    #[command(flatten)]
    remark: Remark,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// What stands before the first dot of the functions' names
    owner: FunctionName,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    remark: Remark,
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    let client = Client::open(data)?;
    let advised = |failure: Failure| failure.or_next("fleetfn fn budget ls");
    match command {
        Command::Set(Set { owner, fuel_per_s, remark }) => {
            let tried = format!("cannot bound the fuel of {owner}");
            let budget = NewBudget { fuel_per_s };
            client
                .put_document(&tried, &remark.at(&format!("/budgets/{owner}")), &budget)
                .map_err(advised)?;
            remark.tell(&format!(
                "functions of {owner} burn at most {fuel_per_s} fuel a second in each partition"
            ));
            Ok(())
        }
        Command::Ls(ls) => list(&client, &ls),
        Command::Rm(Rm { owner, answer, remark }) => {
            answer.or_ask(&format!("take the bound of {owner} away"), remark.trial)?;
            let tried = format!("cannot take the bound of {owner} away");
            client.delete(&tried, &remark.at(&format!("/budgets/{owner}"))).map_err(advised)?;
            remark.tell(&format!("functions of {owner} have no budget any more"));
            Ok(())
        }
    }
}

fn list(client: &Client, ls: &Ls) -> Result<(), Failure> {
    let page: Page<BudgetView> = client.get("cannot list the bounds of fuel", "/budgets")?;
    let row = |budget: &BudgetView| [budget.owner.clone(), budget.fuel_per_s.to_string()];
    list::print(ls.output, &page.items, ["OWNER", "FUEL/S"], row)
}
