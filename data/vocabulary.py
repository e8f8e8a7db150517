"""What a complaint of the dispute era may say: the CFPB's terms from 2012 to April 2017.

The terms are those of the Consumer Complaint Database before its forms changed on 24 April
2017, when the CFPB also stopped asking consumers whether they disputed the response. Weights
are rounded shares of that era's complaints, and mean something only relative to each other.
"""

import dataclasses
import types
from collections.abc import Mapping

#: A value and its weight.
Terms = tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True)
class Issue:
    """What went wrong, and the sub-issues that the form offered below it (often none)."""

    name: str
    weight: int
    sub_issues: Terms = ()


@dataclasses.dataclass(frozen=True)
class Product:
    """A financial product.

    Attributes:
        name: as the CFPB spells it.
        weight: its share of all complaints.
        sub_products: what the form offered below it; credit cards and reports had none.
        issues: what the form offered as the complaint's reason.
        trades: keys of ``data.companies.COMPANIES`` that sell or service it.
    """

    name: str
    weight: int
    sub_products: Terms
    issues: tuple[Issue, ...]
    trades: Terms


def _same(name: str, weight: int) -> Issue:
    """Returns an issue whose only sub-issue repeats its name, as short-term loans have."""
    return Issue(name, weight, ((name, 1),))


_MORTGAGE = Product(
    "Mortgage",
    250,
    (
        ("Other mortgage", 360),
        ("Conventional fixed mortgage", 300),
        ("FHA mortgage", 125),
        ("Conventional adjustable mortgage (ARM)", 110),
        ("Home equity loan or line of credit", 50),
        ("VA mortgage", 35),
        ("Reverse mortgage", 12),
        ("Second mortgage", 8),
    ),
    (
        Issue("Loan modification,collection,foreclosure", 500),
        Issue("Loan servicing, payments, escrow account", 345),
        Issue("Application, originator, mortgage broker", 75),
        Issue("Settlement process and costs", 40),
        Issue("Credit decision / Underwriting", 25),
        Issue("Other", 15),
    ),
    (("banks", 52), ("mortgage servicers", 48)),
)

_DEBT_COLLECTION = Product(
    "Debt collection",
    205,
    (
        ("Other (i.e. phone, health club, etc.)", 305),
        ("I do not know", 210),
        ("Credit card", 200),
        ("Medical", 145),
        ("Payday loan", 50),
        ("Mortgage", 30),
        ("Auto", 25),
        ("Non-federal student loan", 20),
        ("Federal student loan", 15),
    ),
    (
        Issue(
            "Cont'd attempts collect debt not owed",
            420,
            (
                ("Debt is not mine", 610),
                ("Debt was paid", 260),
                ("Debt resulted from identity theft", 80),
                ("Debt was discharged in bankruptcy", 50),
            ),
        ),
        Issue(
            "Disclosure verification of debt",
            205,
            (
                ("Not given enough info to verify debt", 690),
                ("Right to dispute notice not received", 250),
                ("Not disclosed as an attempt to collect", 60),
            ),
        ),
        Issue(
            "Communication tactics",
            170,
            (
                ("Frequent or repeated calls", 590),
                ("Threatened to take legal action", 170),
                ("Called after sent written cease of comm", 130),
                ("Used obscene/profane/abusive language", 80),
                ("Called outside of 8am-9pm", 30),
            ),
        ),
        Issue(
            "False statements or representation",
            85,
            (
                ("Attempted to collect wrong amount", 700),
                ("Impersonated an attorney or official", 140),
                ("Indicated committed crime not paying", 110),
                ("Indicated shouldn't respond to lawsuit", 50),
            ),
        ),
        Issue(
            "Improper contact or sharing of info",
            60,
            (
                ("Talked to a third party about my debt", 480),
                ("Contacted me after I asked not to", 320),
                ("Contacted employer after asked not to", 160),
                ("Contacted me instead of my attorney", 40),
            ),
        ),
        Issue(
            "Taking/threatening an illegal action",
            60,
            (
                ("Threatened to sue on too old debt", 300),
                ("Sued w/o proper notification of suit", 260),
                ("Threatened arrest/jail if do not pay", 180),
                ("Seized/Attempted to seize property", 130),
                ("Attempted to/Collected exempt funds", 90),
                ("Sued where didn't live/sign for debt", 40),
            ),
        ),
    ),
    (("collectors", 74), ("banks", 20), ("card issuers", 6)),
)

_CREDIT_REPORTING = Product(
    "Credit reporting",
    185,
    (),
    (
        Issue(
            "Incorrect information on credit report",
            730,
            (
                ("Account status", 365),
                ("Information is not mine", 320),
                ("Account terms", 110),
                ("Public record", 85),
                ("Personal information", 75),
                ("Reinserted previously deleted info", 45),
            ),
        ),
        Issue(
            "Credit reporting company's investigation",
            125,
            (
                ("No notice of investigation status/result", 400),
                ("Problem with statement of dispute", 330),
                ("Investigation took too long", 180),
                ("Inadequate help over the phone", 90),
            ),
        ),
        Issue(
            "Unable to get credit report/credit score",
            80,
            (
                ("Problem getting my free annual report", 560),
                ("Problem getting report or credit score", 440),
            ),
        ),
        Issue(
            "Improper use of my credit report",
            40,
            (
                ("Report improperly shared by CRC", 880),
                ("Received marketing offer after opted out", 120),
            ),
        ),
        Issue(
            "Credit monitoring or identity protection",
            25,
            (
                ("Problem with fraud alerts", 460),
                ("Problem cancelling or closing account", 220),
                ("Billing dispute", 170),
                ("Account terms and changes", 90),
                ("Receiving unwanted marketing/advertising", 60),
            ),
        ),
    ),
    (("credit bureaus", 96), ("card issuers", 2), ("collectors", 2)),
)

_CREDIT_CARD = Product(
    "Credit card",
    106,
    (),
    (
        Issue("Billing disputes", 170),
        Issue("Other", 100),
        Issue("Identity theft / Fraud / Embezzlement", 95),
        Issue("Closing/Cancelling account", 70),
        Issue("APR or interest rate", 62),
        Issue("Late fee", 41),
        Issue("Customer service / Customer relations", 40),
        Issue("Delinquent account", 37),
        Issue("Credit determination", 36),
        Issue("Advertising and marketing", 34),
        Issue("Rewards", 32),
        Issue("Credit card protection / Debt protection", 31),
        Issue("Transaction issue", 28),
        Issue("Billing statement", 28),
        Issue("Payoff process", 26),
        Issue("Other fee", 24),
        Issue("Credit line increase/decrease", 24),
        Issue("Unsolicited issuance of credit card", 18),
        Issue("Balance transfer", 15),
        Issue("Privacy", 11),
        Issue("Sale of account", 8),
        Issue("Application processing delay", 8),
        Issue("Forbearance / Workout plans", 7),
        Issue("Cash advance", 6),
        Issue("Bankruptcy", 6),
        Issue("Cash advance fee", 5),
        Issue("Arbitration", 4),
        Issue("Overlimit fee", 4),
        Issue("Balance transfer fee", 3),
        Issue("Convenience checks", 2),
    ),
    (("card issuers", 52), ("banks", 48)),
)

_BANK_ACCOUNT = Product(
    "Bank account or service",
    106,
    (
        ("Checking account", 690),
        ("Other bank product/service", 215),
        ("Savings account", 65),
        ("(CD) Certificate of deposit", 25),
        ("Cashing a check without an account", 5),
    ),
    (
        Issue("Account opening, closing, or management", 440),
        Issue("Deposits and withdrawals", 265),
        Issue("Problems caused by my funds being low", 130),
        Issue("Making/receiving payments, sending money", 90),
        Issue("Using a debit or ATM card", 75),
    ),
    (("banks", 97), ("prepaid issuers", 3)),
)

_STUDENT_LOAN = Product(
    "Student loan",
    46,
    (
        ("Non-federal student loan", 540),
        ("Federal student loan servicing", 430),
        ("Federal student loan", 30),
    ),
    (
        Issue(
            "Dealing with my lender or servicer",
            560,
            (
                ("Trouble with how payments are handled", 340),
                ("Received bad information about my loan", 290),
                ("Need information about my balance/terms", 110),
                ("Having problems with customer service", 100),
                ("Don't agree with fees charged", 90),
                ("Keep getting calls about my loan", 70),
            ),
        ),
        Issue(
            "Can't repay my loan",
            305,
            (
                ("Can't decrease my monthly payments", 480),
                ("Can't get flexible payment options", 310),
                ("Can't temporarily postpone payments", 210),
            ),
        ),
        _same("Repaying your loan", 70),
        _same("Problems when you are unable to pay", 45),
        Issue(
            "Getting a loan",
            20,
            (
                ("Can't qualify for a loan", 600),
                ("Confusing/misleading advertising or marketing", 400),
            ),
        ),
    ),
    (("student lenders", 88), ("banks", 12)),
)

_CONSUMER_LOAN = Product(
    "Consumer Loan",
    44,
    (
        ("Vehicle loan", 560),
        ("Installment loan", 260),
        ("Personal line of credit", 90),
        ("Vehicle lease", 65),
        ("Title loan", 20),
        ("Pawn loan", 5),
    ),
    (
        Issue("Managing the loan or lease", 500),
        Issue("Problems when you are unable to pay", 210),
        Issue("Taking out the loan or lease", 130),
        Issue("Shopping for a loan or lease", 45),
        Issue("Managing the line of credit", 40),
        Issue("Account terms and changes", 35),
        Issue("Charged fees or interest I didn't expect", 20),
        Issue("Payment to acct not credited", 8),
        Issue("Lender repossessed or sold the vehicle", 7),
        Issue("Shopping for a line of credit", 5),
    ),
    (("consumer lenders", 78), ("banks", 22)),
)

_PAYDAY_LOAN = Product(
    "Payday loan",
    22,
    (("Payday loan", 1),),
    (
        _same("Charged fees or interest I didn't expect", 340),
        _same("Can't contact lender", 140),
        _same("Received a loan I didn't apply for", 140),
        _same("Applied for loan/did not receive money", 140),
        _same("Can't stop charges to bank account", 120),
        _same("Charged bank acct wrong day or amt", 70),
        _same("Payment to acct not credited", 50),
    ),
    (("payday lenders", 90), ("collectors", 10)),
)

_MONEY_TRANSFERS = Product(
    "Money transfers",
    17,
    (("Domestic (US) money transfer", 580), ("International money transfer", 420)),
    (
        Issue("Fraud or scam", 400),
        Issue("Other transaction issues", 240),
        Issue("Money was not available when promised", 160),
        Issue("Other service issues", 90),
        Issue("Customer service/Customer relations", 60),
        Issue("Wrong amount charged or received", 30),
        Issue("Incorrect/missing disclosures or info", 20),
    ),
    (("money transmitters", 92), ("banks", 8)),
)

_PREPAID_CARD = Product(
    "Prepaid card",
    13,
    (
        ("General purpose card", 660),
        ("Gift or merchant card", 110),
        ("Government benefit payment card", 80),
        ("Payroll card", 60),
        ("Mobile wallet", 40),
        ("ID prepaid card", 20),
        ("Electronic Benefit Transfer / EBT card", 15),
        ("Other special purpose card", 10),
        ("Transit card", 5),
    ),
    (
        Issue("Unauthorized transactions/trans. issues", 340),
        Issue("Managing, opening, or closing account", 330),
        Issue("Fraud or scam", 170),
        Issue("Fees", 60),
        Issue("Adding money", 50),
        Issue("Advertising, marketing or disclosures", 35),
        Issue("Overdraft, savings or rewards features", 15),
    ),
    (("prepaid issuers", 95), ("card issuers", 5)),
)

_OTHER_SERVICE = Product(
    "Other financial service",
    4,
    (
        ("Debt settlement", 300),
        ("Credit repair", 190),
        ("Check cashing", 150),
        ("Money order", 150),
        ("Traveler\u2019s/Cashier\u2019s checks", 90),
        ("Refund anticipation check", 80),
        ("Foreign currency exchange", 40),
    ),
    (
        Issue("Fraud or scam", 340),
        Issue("Customer service/Customer relations", 320),
        Issue("Unexpected/Other fees", 110),
        Issue("Advertising and marketing", 60),
        Issue("Excessive fees", 60),
        Issue("Lost or stolen money order", 50),
        Issue("Disclosures", 30),
        Issue("Lost or stolen check", 20),
        Issue("Incorrect exchange rate", 10),
    ),
    (("other services", 85), ("money transmitters", 15)),
)

_VIRTUAL_CURRENCY = Product(
    "Virtual currency",
    1,
    (("Domestic (US) money transfer", 700), ("International money transfer", 300)),
    (
        Issue("Other transaction issues", 400),
        Issue("Fraud or scam", 300),
        Issue("Money was not available when promised", 200),
        Issue("Customer service/Customer relations", 100),
    ),
    (("virtual currency", 1),),
)

PRODUCTS: tuple[Product, ...] = (
    _MORTGAGE,
    _DEBT_COLLECTION,
    _CREDIT_REPORTING,
    _CREDIT_CARD,
    _BANK_ACCOUNT,
    _STUDENT_LOAN,
    _CONSUMER_LOAN,
    _PAYDAY_LOAN,
    _MONEY_TRANSFERS,
    _PREPAID_CARD,
    _OTHER_SERVICE,
    _VIRTUAL_CURRENCY,
)

UNTIMELY_RESPONSE = "Untimely response"

#: "... relief" without a kind is the wording of the first months of 2012.
COMPANY_RESPONSES: Terms = (
    ("Closed with explanation", 728),
    ("Closed with non-monetary relief", 126),
    ("Closed with monetary relief", 71),
    ("Closed without relief", 27),
    ("Closed", 25),
    ("Closed with relief", 10),
    (UNTIMELY_RESPONSE, 8),
    ("In progress", 5),
)

#: Where relief differs from the whole: money comes back on fees, corrections on reports.
COMPANY_RESPONSES_BY_PRODUCT: Mapping[str, Terms] = types.MappingProxyType(
    {
        "Credit reporting": (
            ("Closed with explanation", 700),
            ("Closed with non-monetary relief", 240),
            ("Closed with monetary relief", 4),
            ("Closed without relief", 8),
            ("Closed", 30),
            ("Closed with relief", 8),
            (UNTIMELY_RESPONSE, 4),
            ("In progress", 6),
        ),
        "Credit card": (
            ("Closed with explanation", 610),
            ("Closed with non-monetary relief", 110),
            ("Closed with monetary relief", 200),
            ("Closed without relief", 42),
            ("Closed", 10),
            ("Closed with relief", 22),
            (UNTIMELY_RESPONSE, 2),
            ("In progress", 4),
        ),
        "Bank account or service": (
            ("Closed with explanation", 650),
            ("Closed with non-monetary relief", 60),
            ("Closed with monetary relief", 220),
            ("Closed without relief", 34),
            ("Closed", 12),
            ("Closed with relief", 16),
            (UNTIMELY_RESPONSE, 3),
            ("In progress", 5),
        ),
    }
)
