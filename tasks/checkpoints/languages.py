"""Languages as people and as tokenizers spell them: `de`, `German`, `de_DE`, `deu_Latn`, `>>deu<<`."""

import re
from collections.abc import Iterable

from unimodal.transcription.languages import LANGUAGES, language_code

_THREE_LETTERS = """
af afr, am amh, ar ara arb, as asm, az aze azj, ba bak, be bel, bg bul, bn ben, bo bod, br bre, bs bos, ca cat, cs ces,
cy cym, da dan, de deu, el ell, en eng, es spa, et est ekk, eu eus, fa fas pes, fi fin, fo fao, fr fra, ga gle, gl glg,
gu guj, ha hau, he heb, hi hin, hr hrv, ht hat, hu hun, hy hye, id ind, ig ibo, is isl, it ita, ja jpn, jw jav jv,
ka kat, kk kaz, km khm, kn kan, ko kor, la lat, lb ltz, ln lin, lo lao, lt lit, lv lav lvs, mg mlg plt, mi mri, mk mkd,
ml mal, mn mon khk, mr mar, ms msa zsm, mt mlt, my mya, ne nep npi, nl nld, nn nno, no nor nob, oc oci, pa pan, pl pol,
ps pus pbt, pt por, ro ron, ru rus, sa san, sd snd, si sin, sk slk, sl slv, sn sna, so som, sq sqi als, sr srp, su sun,
sv swe, sw swa swh, ta tam, te tel, tg tgk, th tha, tk tuk, tl tgl fil, tr tur, tt tat, uk ukr, ur urd, uz uzb uzn,
vi vie, xh xho, yi yid ydd, yo yor, zh zho cmn, zu zul
"""
"""ISO 639-1, then 639-3: of the language, and of its member that checkpoints were trained on."""
SPELLINGS = {code: frozenset(names) for code, *names in map(str.split, _THREE_LETTERS.split(","))}
_ENGLISH = {code: name.title() for name, code in reversed(LANGUAGES.items())}


def english_name(language: str) -> str:
    """`German` for `de`, `deu` or `german`. Raises ValueError for a language that has no name here."""
    code = two_letters(language)
    if code not in _ENGLISH:
        raise ValueError(f"{language}: is no language that is known here by name")
    return _ENGLISH[code]


def matching(language: str, codes: Iterable[str]) -> str:
    """The one of a tokenizer's codes that means a language. Raises ValueError that names those which it could be."""
    known = {code: _plain(code) for code in codes}
    wanted = _plain(language)
    exact = [code for code, plain in known.items() if plain == wanted]
    if exact:
        return exact[0]
    short = two_letters(language)
    names = {wanted, short} | SPELLINGS.get(short, frozenset())
    found = [code for code, plain in known.items() if re.split("[_-]", plain)[0] in names]
    if len(found) != 1:
        listed = ", ".join(sorted(found or known)) or "none"
        reason = "means several of them" if found else "is none of the languages that the checkpoint knows"
        raise ValueError(f"{language}: {reason}: {listed}")
    return found[0]


def two_letters(language: str) -> str:
    """`de` for `de`, `deu` or `German`; what is not known stays as it is."""
    code = language_code(language.strip())
    return next((short for short, longer in SPELLINGS.items() if code in longer), code)


def _plain(code: str) -> str:
    return code.strip().strip("_<>").lower()
