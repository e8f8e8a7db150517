"""States of a complaint, with the ZIP code prefixes that the Postal Service gave them.

The fifty states, the District of Columbia, territories and freely associated states, and the
three "states" of the armed forces (AA, AE, AP).
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class State:
    """A state.

    Attributes:
        code: two letters, as the Postal Service writes it.
        weight: its share of all complaints, in hundred-thousandths.
        zip_ranges: first and last three-digit ZIP prefixes, ends included, such as
            ``"350-352 354-369"``.
    """

    code: str
    weight: int
    zip_ranges: str

    def zip_prefixes(self) -> tuple[str, ...]:
        """Returns every three-digit ZIP prefix of the state."""
        prefixes: list[str] = []
        for item in self.zip_ranges.split():
            first, _, last = item.partition("-")
            prefixes += (f"{number:03d}" for number in range(int(first), int(last or first) + 1))
        return tuple(prefixes)


STATES: tuple[State, ...] = (
    State("CA", 14500, "900-908 910-928 930-961"),
    State("FL", 9500, "320-339 341-342 344 346-347 349"),
    State("TX", 7700, "750-770 772-799 885"),
    State("NY", 6700, "005 100-149"),
    State("GA", 4300, "300-319 398-399"),
    State("NJ", 3900, "070-089"),
    State("PA", 3600, "150-196"),
    State("IL", 3600, "600-620 622-629"),
    State("VA", 3200, "201 220-246"),
    State("MD", 3100, "206-212 214-219"),
    State("OH", 3100, "430-459"),
    State("NC", 3050, "270-289"),
    State("MI", 2500, "480-499"),
    State("AZ", 2250, "850-853 855-857 859-860 863-865"),
    State("WA", 2100, "980-986 988-994"),
    State("MA", 2000, "010-027 055"),
    State("CO", 1700, "800-816"),
    State("TN", 1700, "370-385"),
    State("MO", 1400, "630-631 633-641 644-658"),
    State("SC", 1400, "290-299"),
    State("MN", 1350, "550-551 553-567"),
    State("IN", 1250, "460-479"),
    State("NV", 1200, "889-891 893-895 897-898"),
    State("OR", 1150, "970-979"),
    State("CT", 1100, "060-069"),
    State("WI", 1100, "530-532 534-535 537-549"),
    State("AL", 1050, "350-352 354-369"),
    State("LA", 1050, "700-701 703-708 710-714"),
    State("KY", 800, "400-418 420-427"),
    State("OK", 720, "730-731 734-741 743-749"),
    State("DC", 600, "200 202-205"),
    State("DE", 590, "197-199"),
    State("KS", 580, "660-662 664-679"),
    State("UT", 570, "840-847"),
    State("MS", 560, "386-397"),
    State("NH", 520, "030-038"),
    State("NM", 500, "870-871 873-875 877-884"),
    State("AR", 480, "716-729"),
    State("IA", 470, "500-516 520-528"),
    State("HI", 400, "967-968"),
    State("ID", 390, "832-838"),
    State("ME", 380, "039-049"),
    State("NE", 360, "680-681 683-693"),
    State("RI", 350, "028-029"),
    State("WV", 340, "247-268"),
    State("PR", 310, "006-007 009"),
    State("VT", 190, "050-054 056-059"),
    State("MT", 180, "590-599"),
    State("SD", 150, "570-577"),
    State("AK", 140, "995-999"),
    State("WY", 110, "820-831"),
    State("ND", 100, "580-588"),
    State("AE", 50, "090-098"),
    State("AP", 40, "962-966"),
    State("VI", 22, "008"),
    State("GU", 20, "969"),
    State("FM", 9, "969"),
    State("AS", 6, "967"),
    State("MP", 6, "969"),
    State("AA", 5, "340"),
    State("MH", 4, "969"),
    State("PW", 3, "969"),
)
