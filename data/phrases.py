"""Sentences that narratives are put together from.

All wording is our own. Slots in braces are filled by ``data.narratives``: ``{name}``,
``{date}``, ``{month}``, ``{amount}``, ``{count}``, ``{account}``, ``{company}`` and ``{issue}``.
"""

import dataclasses
import types
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Cue:
    """A turn of phrase that tells how likely the consumer is to dispute the response.

    Attributes:
        effect: what it adds to the log odds, in hundredths.
        sentences: ways to say it; they share at least one word found in no other phrase.
    """

    effect: int
    sentences: tuple[str, ...]


FIRM_CUES: tuple[Cue, ...] = (
    Cue(60, ("This is completely unacceptable.", "I find the answer unacceptable.")),
    Cue(55, ("They lied to me more than once.", "I was lied to by {name} on {date}.")),
    Cue(
        55,
        (
            "My lawyer has a copy of every letter.",
            "I am ready to have a lawyer look at this.",
        ),
    ),
    Cue(50, ("Every letter I sent was ignored.", "They simply ignored my emails.")),
    Cue(50, ("They refuse to correct anything.", 'I was told "we refuse" and nothing else.')),
    Cue(
        45,
        (
            "In my view this is fraudulent from start to end.",
            "The charge of {amount} is fraudulent.",
        ),
    ),
    Cue(
        45, ("They violated the law, 15 U.S.C. \u00a7 1681.", "My rights were violated on {date}.")
    ),
    Cue(45, ("It has been a nightmare.", "This nightmare has gone on for {count} months.")),
    Cue(40, ("I demand a full review.", "I demand proof, in writing, from {company}.")),
    Cue(40, ("The supervisor hung up on me.", "Twice they hung up before I could finish.")),
    Cue(
        40,
        (
            "Their reply was a canned form letter.",
            "All I ever get is a canned answer, signed by nobody.",
        ),
    ),
    Cue(40, ("I feel harassed.", "My family is being harassed at home and at work.")),
    Cue(
        35,
        (
            "The same mistake happened again after they said it was fixed.",
            "They promised a fix in {month} and the same mistake came back.",
        ),
    ),
    Cue(
        35,
        (
            "They are dishonest about the numbers.",
            "I have never met such a dishonest company, and I do not say so lightly.",
        ),
    ),
    Cue(35, ("I was misled from the first call.", "The ad misled me about the terms.")),
    Cue(
        35,
        (
            "It ruined my credit.",
            "My plans to buy a home are ruined because of a {amount} error.",
        ),
    ),
    Cue(
        35,
        (
            "I have already filed with the state attorney general, the BBB, and the FTC.",
            "A complaint was filed with the attorney general's office on {date}.",
        ),
    ),
    Cue(30, ("I am furious.", "To be told this after {count} years makes me furious.")),
    Cue(30, ("They never validated the balance.", "Nothing was ever validated.")),
    Cue(30, ("This is robbery, plain and simple.", "It is robbery with a letterhead.")),
    Cue(30, ("I will not stop until it is deleted.", "I want it deleted, today.")),
    Cue(25, ("The department is incompetent.", "I spoke to one incompetent agent after another.")),
    Cue(25, ("My money was stolen.", "I had {amount} stolen from me.")),
    Cue(25, ("I have recordings of the calls.", "There are recordings that prove it.")),
)

CALM_CUES: tuple[Cue, ...] = (
    Cue(-60, ("I would appreciate any help.", "I would appreciate a short answer.")),
    Cue(
        -55,
        (
            "I only need clarification.",
            "Some clarification of the dates would be enough for me.",
        ),
    ),
    Cue(-55, ("The agent was courteous.", "{name} was courteous and took notes.")),
    Cue(
        -50,
        (
            "They apologized for the delay.",
            "A manager apologized on {date} and opened a ticket.",
        ),
    ),
    Cue(-50, ("Thank you for your assistance.", "Thanks in advance for the assistance.")),
    Cue(
        -45,
        (
            "A refund of {amount} would settle this.",
            "If the refund posts by {date}, that would settle it.",
        ),
    ),
    Cue(
        -45, ("I may have misunderstood the terms.", "Perhaps I misunderstood what {name} told me.")
    ),
    Cue(-45, ("They credited part of it, {amount}.", "{amount} was credited on {date}.")),
    Cue(-40, ("I am hoping for a quick fix.", "I was hoping that a note from you would do.")),
    Cue(-40, ("Please advise.", "Please advise me on what to send.")),
    Cue(
        -40,
        (
            "I have been a happy customer for {count} years otherwise.",
            "Until {month} I was happy with the service.",
        ),
    ),
    Cue(-40, ("It may be an oversight.", "I believe that it is an oversight in the mail room.")),
    Cue(-35, ("The website was confusing.", "I found the form confusing, that is all.")),
    Cue(
        -35,
        (
            "I can provide receipts if needed.",
            "Receipts are attached, along with a photo of the envelope.",
        ),
    ),
    Cue(-35, ("They said it is being researched.", "Somebody researched it for {count} days.")),
    Cue(-35, ("I forgot one payment.", "My husband forgot the due date in {month}.")),
    Cue(
        -35,
        (
            "I would like my name taken off the mailing list.",
            "The mailings can stop; mailing costs them more than it does me.",
        ),
    ),
    Cue(-30, ("I am willing to pay what is owed.", "We are willing to work out a plan.")),
    Cue(-30, ("Could someone explain the fee?", "I would like them to explain {amount}.")),
    Cue(-30, ("The branch tried to help.", "The local branch did what it could.")),
    Cue(-30, ("Most of it was resolved.", "One of two items is resolved.")),
    Cue(-25, ("I understand that errors happen.", "I understand their policy.")),
    Cue(-25, ("I have since relocated.", "The notice went to my old home, as I had relocated.")),
    Cue(-25, ("A corrected statement is all I ask.", "I ask for a corrected copy.")),
)

#: First sentences and details that belong to a product.
BY_PRODUCT: Mapping[str, tuple[str, ...]] = types.MappingProxyType(
    {
        "Mortgage": (
            "I have had a mortgage with {company} since {date}.",
            "Our home loan was transferred to {company} in {month} without any notice.",
            "The escrow analysis shows a shortage of {amount}, yet the taxes were paid.",
            "We sent the full package for a modification {count} times, and each time a page "
            "was said to be missing.",
            "A sale date was set for {date} while our application was under review.",
            "The homeowner's insurance was paid late, so they bought a policy for {amount}.",
            "My monthly payment went from {amount} to {amount}.",
            "The underwriter asked for the same bank statements again on {date}.",
        ),
        "Debt collection": (
            "I received a letter from {company} dated {date} about a debt of {amount}.",
            "{company} keeps calling my cell phone, my office, and my mother.",
            "I do not recognize the original creditor, {name}.",
            "They say I owe {amount} for a medical visit in {month}, which insurance paid.",
            "I asked for validation by certified mail on {date}, return receipt requested.",
            "The account is past the statute of limitations in my state.",
            "A caller who gave the name {name} said papers would be served at my job.",
            "The debt was paid in full on {date}, check number {account}.",
        ),
        "Credit reporting": (
            "I pulled my report from {company} on {date} and found errors.",
            "There is an account ending in {account} on my report that I never opened.",
            "{company} lists a bankruptcy that belongs to another person named {name}.",
            "I disputed {count} items online, and each came back as verified.",
            "The inquiries from {name} and {name} were not authorized.",
            "My address, date of birth, and employer are wrong on the file.",
            "I sent a copy of my license and a utility bill, as they asked.",
            "A paid collection of {amount} still shows as open.",
        ),
        "Credit card": (
            "I opened a credit card with {company} on {date}.",
            "My statement for {month} shows a charge of {amount} that I did not make.",
            "I was offered a bonus of {count} thousand points after spending {amount}.",
            "The interest rate on my card rose to {count} percent.",
            "A merchant, {name}, sent the wrong item and would not take it back.",
            "My payment of {amount} was returned though the account had funds.",
            "They closed the card ending in {account}, which I have had since {date}.",
            "I called the number on the back of the card and waited {count} minutes.",
        ),
        "Bank account or service": (
            "I have a checking account with {company}.",
            "On {date} I deposited a check for {amount}, and it was placed on hold.",
            "I was charged {count} overdraft fees of {amount} in one day.",
            "The debit card ending in {account} was used in a city I have never been to.",
            "They closed my savings account and mailed a check to an old address.",
            "The offer said {amount} for a new account with direct deposit.",
            "The ATM gave me {amount} less than the receipt says.",
            "A wire for {amount} left my account on {date}.",
        ),
        "Student loan": (
            "My student loans were moved to {company} in {month}.",
            "I applied for an income-driven plan on {date}.",
            "{company} put my loans in forbearance without asking me.",
            "The extra {amount} I send is spread over {count} loans instead of the one I name.",
            "My cosigner, {name}, was never told about the release option.",
            "I finished school in {month} and the interest had grown to {amount}.",
            "My recertification was sent {count} weeks before the deadline.",
            "They report me as late on loans that were in deferment.",
        ),
        "Consumer Loan": (
            "I financed a car through {company} in {month}.",
            "The dealer, {name}, told me the rate would be lower after {count} payments.",
            "My vehicle was taken from my driveway on {date}.",
            "I paid the loan off with {amount}, and the title never came.",
            "The gap insurance was to be cancelled for a credit of {amount}.",
            "They added {amount} to the balance without an invoice.",
            "The installment loan was renewed without my signature.",
            "I asked for a payoff letter on {date} by phone, fax, and email.",
        ),
        "Payday loan": (
            "I borrowed {amount} from {company} online.",
            "They take {amount} from my account every two weeks, and none goes to the principal.",
            "I never applied for this loan, yet {amount} showed up in my account.",
            "The lender says it is on tribal land and that state law does not apply.",
            "I revoked the ACH authorization in writing on {date}.",
            "A loan of {amount} has cost me {amount} so far.",
        ),
        "Money transfers": (
            "I sent {amount} through {company} on {date}.",
            "The money was to be ready in minutes, and the clerk in {name} had nothing.",
            "A buyer asked me to send {amount} to hold an apartment.",
            "They limited my account for {count} days with {amount} in it.",
            "The exchange rate on the receipt is not the one I was quoted.",
            "I asked to cancel the transfer within {count} minutes.",
        ),
        "Prepaid card": (
            "I bought a prepaid card from {company} and loaded {amount}.",
            "The card ending in {account} was blocked after one purchase.",
            "My wages are paid to this card, and I could not reach them for {count} days.",
            "The gift card had a balance of zero when it was first used.",
            "They want a copy of my license and my Social Security card by fax.",
            "A fee of {amount} is taken every month.",
        ),
        "Other financial service": (
            "I signed up with {company} in {month} to settle my debts.",
            "I paid {amount} up front, and no creditor was ever called.",
            "The money order for {amount} was cashed by somebody else.",
            "The check cashing store kept {amount} and my identification.",
            "My tax money was to be loaded by {date}.",
            "I asked for a trace and was told to wait {count} weeks.",
        ),
        "Virtual currency": (
            "I bought coins worth {amount} on {company}.",
            "My wallet was emptied on {date} at night.",
            "The transfer has been pending for {count} days.",
            "They ask for a selfie with my license and then say it is blurry.",
        ),
    }
)


@dataclasses.dataclass(frozen=True)
class Theme:
    """What a group of issues has in common.

    Attributes:
        marks: beginnings or parts of issue names, in lower case.
        sentences: what consumers tell about them.
    """

    marks: tuple[str, ...]
    sentences: tuple[str, ...]


#: The first theme with a mark in the issue's name is the issue's theme.
THEMES: tuple[Theme, ...] = (
    Theme(
        ("fraud", "identity", "unauthorized", "didn't apply", "lost or stolen", "privacy"),
        (
            "Somebody used my name and Social Security number.",
            "I filed a police report, number {account}, on {date}.",
            "The thief changed the phone number on the account.",
            "I signed an affidavit and had it notarized.",
            "{count} transactions of {amount} went through within an hour.",
            "They say that the chip was read, so it must have been me.",
        ),
    ),
    Theme(
        ("credit report", "investigation", "credit monitoring"),
        (
            "The dispute was closed after {count} days without a reason.",
            "I was told to contact the furnisher, who told me to contact the bureau.",
            "My score dropped by {count} points.",
            "A lender turned me down because of this entry.",
            "The account shows late in {month}, though my bank has proof of payment.",
            "I could not answer the questions about an address I never had.",
        ),
    ),
    Theme(
        ("attempts collect", "verification of debt", "false statements"),
        (
            "They could not name the original account number.",
            "The amount changed from {amount} to {amount} between two letters.",
            "I asked for a copy of a contract with my signature.",
            "The balance was charged off by the first creditor in {month}.",
            "No notice of my right to ask for proof was in the envelope.",
            "I lived in another state when the account was opened.",
        ),
    ),
    Theme(
        ("communication", "improper contact", "illegal action"),
        (
            "They call {count} times a day, starting before eight.",
            "The voicemail was heard by my coworkers.",
            "I wrote that I do not want calls at work.",
            "The man on the phone used words that I will not repeat here.",
            "They told my neighbor, {name}, what the call was about.",
            "A court date of {date} was mentioned, but the clerk has no such case.",
        ),
    ),
    Theme(
        ("loan modification", "unable to pay", "repay", "forbearance", "bankruptcy", "delinquent"),
        (
            "I lost my job in {month} and asked for a lower payment.",
            "The hardship package was faxed on {date}, all {count} pages.",
            "Each time there is a new contact person, now {name}.",
            "We were told not to pay while the review was open.",
            "The trial plan was for three payments of {amount}.",
            "My income is {amount} a month before taxes.",
        ),
    ),
    Theme(
        (
            "fee",
            "interest",
            "apr",
            "charged",
            "exchange rate",
            "funds being low",
            "billing",
            "overlimit",
        ),
        (
            "The fee was {amount}, and nobody could say where it is written.",
            "The rate was to stay fixed until {date}.",
            "I was billed {amount} twice.",
            "They reordered the purchases from high to low.",
            "My autopay was set for the {count}th and ran early.",
            "The minimum due did not show on the statement.",
        ),
    ),
    Theme(
        ("payment", "payoff", "money was not available", "deposits", "adding money", "balance"),
        (
            "The payment cleared my bank on {date} and was never posted.",
            "They applied {amount} to the wrong account.",
            "The funds are held for {count} business days.",
            "I have the trace number, {account}.",
            "The payoff quote was good through {date}.",
            "A check for {amount} was sent back without a letter.",
        ),
    ),
    Theme(
        (
            "application",
            "credit decision",
            "credit determination",
            "getting a",
            "shopping",
            "taking out",
            "settlement process",
            "opening",
            "credit line",
            "unsolicited",
            "advertising",
            "rewards",
            "disclosures",
        ),
        (
            "The application number is {account}.",
            "I was told that I was approved, and then that I was not.",
            "The disclosure came {count} days after closing.",
            "The offer code on the flyer was {account}.",
            "They ran my credit {count} times.",
            "The terms I signed are not the terms I was shown.",
        ),
    ),
    Theme(
        ("",),
        (
            "I spoke with {name}, {name}, and a third person.",
            "The case number is {account}.",
            "Each department sends me to another one.",
            "I was on hold for {count} minutes.",
            "The online chat ended without an answer.",
            "Nobody called back by {date} as they had said.",
        ),
    ),
)

#: Details that fit any complaint.
COMMON: tuple[str, ...] = (
    "This complaint is about {issue}.",
    "On {date}, I called {company} and spoke with {name}.",
    "I called again on {date}, and on {date}, with the same outcome.",
    "I have copies of all letters, statements, and notes.",
    "{name} said that the file had been closed, with no explanation given.",
    "The letter dated {date} says one thing, while the website says another.",
    "I faxed the papers to XXX-XXX-XXXX and kept the confirmation page.",
    "My account number is {account}.",
    'The representative said "that is how the system works".',
    "Since {month} I've spent many hours on this.",
    "It's been {count} weeks since the last contact.",
    "My wife and I are both on the account.",
    "I'm on a fixed income, and {amount} is a lot for me.",
    "I don't know what else to do.",
    "They transferred me to {name} in another department; she could not see the notes.",
    "The amounts are {amount}, {amount}, and {amount}.",
    "I am a veteran and live in {name}.",
    "A certified letter went to XXXX XXXX, XXXX on {date}.",
    "I asked for a manager: none was available.",
    "The total comes to {amount} (see the attached statement).",
    "They have {count} days to answer under their own rules.",
    "I was told to wait {count} to {count} business days, which I did.",
    "As of today, {date}, nothing has changed on the account.",
    "My last statement, from {month}, shows {amount}.",
    "I never received anything by mail, email, or phone.",
    "He asked me for the last four digits, then for the whole number.",
    "The payment history is clean: no late payment in {count} years.",
    "I wrote to {name} at the head office.",
    "The reference they gave me is {account}/{account}.",
)

#: Rarer details, with the characters and the second language that careless code trips over.
RARE: tuple[str, ...] = (
    'They wrote, "we consider this matter closed," and gave no phone number.',
    "They say ''account in good standing'' on one page and ''past due'' on the next.",
    "\u201cYour request is being processed,\u201d says every email \u2014 and then silence.",
    "Under \u00a7 1692g I asked for verification \u2014 none came.",
    "The r\u00e9sum\u00e9 of the call that they mailed me is wrong.",
    "My name is spelled with \u00f1, and their system can't print it.",
    "No hablo bien ingl\u00e9s y nadie me quiso ayudar en espa\u00f1ol.",
    "Mi pr\u00e9stamo est\u00e1 al d\u00eda; tengo los recibos de {month}.",
    "The fee is 3\u00bd times what I was quoted, i.e. \u20ac100 and not {amount}.",
)

#: Whole narratives of consumers in a hurry, from one character on.
TINY: tuple[str, ...] = (
    ".",
    "X",
    "NA",
    "XXXX",
    "Help!",
    "Fraud",
    "See attached",
    "Not my debt.",
    "XX/XX/XXXX",
    'They said "no".',
    "Wrong amount, {$50.00}",
    "Please call me, XXXX",
)
