"""Answers about figures: letters, judges' scores and numbers with units, as replies give them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscale.figures import answers, quantities, units
from matscale.figures.items import LABELS

# --- letters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "published", "sound"),
    [
        ("C", "C", "C"),
        ("c", "C", "C"),
        ("**B**", "B", "B"),
        ("(D)", "D", "D"),
        ("B.", "B", "B"),
        ("Option C", "C", "C"),
        # What the published rule misreads.
        ("Based on the image, the answer is D.", "B", "D"),
        ("The correct one is D", "C", "D"),
        ("The answer is B", "A", "B"),
        ("I cannot tell.", "C", None),
        ("**Answer:** C", "A", "C"),
        ("**A**nswer: B", "A", "B"),
        ("Sure! D", "D", None),
        # Stated answers.
        ("Answer: D", "A", "D"),
        ("answer: d", "A", "D"),
        ("Answer:\n\nB", "A", "B"),
        ("Answer - (C)", "A", "C"),
        ("The best caption is **D**.", "B", "D"),
        ("I choose D because of the scale bar", "C", "D"),
        ("Option C best matches the figure", "C", "C"),
        ("$\\boxed{C}$", "B", "C"),
        ("It may be A. Final answer: C", "A", "C"),
        ("The scale bar rules A out.\n\nC", "C", "C"),
        ("C. SEM image of Fe grains", "C", "C"),
        ("<think>Answer: A. Or B?</think>\nB", "A", "B"),
        ("B) because of the contrast", "B", "B"),
        ("The bar is too long for A. Therefore, B.", "B", "B"),
        ("C is correct", "C", "C"),
        ("The captions differ in the element. C is the correct one.", "C", "C"),
        ('{"answer": "C"}', "A", "C"),
        ("Answer: <C>", "A", "C"),
        # Articles, several letters, nothing at all.
        ("A TEM image of iron", "A", None),
        ("Answer: A TEM image", "A", None),
        ("Answer: B or C", "A", None),
        ("A. iron\nB. nickel\nC. copper", "A", None),
        ("Option A is wrong, option B is right", "A", None),
        ("The answer is not A but B", "A", None),
        ("A is correct in its scale, C is correct in its element", "A", None),
        ("A is correct. No, D is correct.", "A", None),
        ("none of them", None, None),
        ("Answer: B (TEM image of grains)", "A", "B"),
        (r"\boxed{\mathrm{B}}", "B", "B"),
        (r"\boxed{(B)}", "B", "B"),
        ("Answer: $D$", "A", "D"),
        (r"Answer: \(D\)", "A", "D"),
        ("Answer: D</s>", "A", "D"),
        ("Answer: D<|im_end|>", "A", "D"),
        ("Answer: D\u200b", "A", "D"),
        ("Answer — D", "A", "D"),
        ("I'd go with C", "D", "C"),
        ("The most likely answer is probably C", "A", "C"),
        ("答案：B", "B", "B"),
        ("Answer: B, possibly C", "A", None),
        ("<think>maybe A. Answer: A", "A", None),
        ("", None, None),
        ("  \n", None, None),
        ("7", None, None),
    ],
)
def test_letters(reply, published, sound):
    assert answers.first_letter(reply) == published
    assert answers.stated_letter(reply) == sound


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        # The field's: letters followed by text, and letters mentioned before.
        ("Answer: B) the second caption", "B"),
        ("Answer: (B) x", "B"),
        ("The correct answer is B) x.", "B"),
        ("A) is excluded because of the scale bar.\nAnswer: B) bcc lattice", "B"),
        ("Answer: B) see option C for the opposite", "B"),
        # Of their kinds.
        ("Answer: B. The second caption", "B"),
        ("Answer: B: the second caption", "B"),
        ("Answer: **B) the second caption**", "B"),
        ("**Answer: (C)** SEM image of grains", "C"),
        ("Answer: B the second caption", "B"),
        ("Answer: Option B, the second caption", "B"),
        ("Answer: the second caption (B)", "B"),
        ("The answer is (b).", "B"),
        ("The answer is **b**", "B"),
        ("the answer is c) grain boundaries", "C"),
        ("b) the second caption", "B"),
        ("(b)", "B"),
        ("B.", "B"),
        ("B. B", "B"),
        ("B\nB", "B"),
        ("B B", "B"),
        ("B because of the contrast", "B"),
        ("B, since the bar says 5 nm", "B"),
        ("B - the second caption", "B"),
        ("A: TEM image", "A"),
        ("A) TEM image", "A"),
        ("Option B", "B"),
        ("**Option B**: the second caption", "B"),
        ("Option (B) describes it.", "B"),
        ("Caption: B", "B"),
        ("B\n\nThe scale bar says 5 nm, so A is wrong.", "B"),
        ("I choose (b).", "B"),
        ("Final answer: **B**", "B"),
        ("**Final Answer:** B", "B"),
        ("### Final answer\n\n**B**", "B"),
        ("ANSWER: B", "B"),
        ("Ans: B", "B"),
        ("Answer B", "B"),
        ("Answer is B", "B"),
        ("My answer: (D)", "D"),
        ("My choice is C.", "C"),
        ("So the answer is: **(C)**", "C"),
        ("\\boxed{B}", "B"),
        ("\\boxed{\\text{B}}", "B"),
        ("\\boxed{B. bcc lattice}", "B"),
        ("\\boxed{\\text{(B) bcc lattice}}", "B"),
        ('{"answer": "B"}', "B"),
        ('{"reasoning": "A is too small", "answer": "B"}', "B"),
        ('```json\n{"answer": "B"}\n```', "B"),
        ('{"choice": "C", "confidence": 0.9}', "C"),
        ("{'letter': 'D'}", "D"),
        ("<answer>B</answer>", "B"),
        ("<answer>B) bcc</answer>", "B"),
        ("答案：B", "B"),
        ("答案是B。", "B"),
        ("正确答案是 B，因为标尺不同", "B"),
        ("我选择B", "B"),
        ("Réponse : B", "B"),
        ("La bonne réponse est (B).", "B"),
        ("Antwort: B", "B"),
        ("Die richtige Antwort ist C.", "C"),
        ("La respuesta correcta es D", "D"),
        ("Answer：Ｂ", "B"),
        ("（B）", "B"),
        # What is stated last counts, whatever the explanation mentions.
        ("Answer: A\nWait, the scale bar is 5 nm.\nAnswer: C", "C"),
        ("Answer: A\n\nOn reflection:\n\n**C**", "C"),
        ("The answer is A. No, the answer is C.", "C"),
        ("Answer: B\n\nA is wrong: its element is Fe.\nC and D are wrong too.", "B"),
        ("Answer: B\nOption C would be right in another scale.", "B"),
        ("Answer: B. The answer would be A if the bar were 10 nm.", "B"),
        ("B) bcc lattice. Option C is another element and A another scale.", "B"),
        ("A) mentions TEM, which is wrong.\nThe correct one is B.", "B"),
        ("A) cannot be: the bar is too long.\nB) fits.", "B"),
        ("Option A is wrong. Option C is wrong. The correct caption is B.", "B"),
        ("A is wrong. B is wrong. D is wrong. Therefore, C.", "C"),
        ("1. A is wrong\n2. B is wrong\n3. C is right\n\nAnswer: C", "C"),
        ("I think B is correct", "B"),
        ("It is B.", "B"),
        ("Answer: B (not A or C)", "B"),
        ("Answer: B, not C", "B"),
        ("Answer: B and not C", "B"),
        ("<think>A? Answer: A</think>Answer: D) x", "D"),
        # Nothing is chosen, or two are.
        ("A or B", None),
        ("A and B", None),
        ("Either A or B", None),
        ("Answer: A or B", None),
        ("Answer: A/B", None),
        ("Answer: (A) or (B)", None),
        ("Answer: A) iron or B) nickel", None),
        ("not A", None),
        ("It is not A", None),
        ("The answer is not A", None),
        ("A) is excluded.", None),
        ("A) is not the one. B) is not either.", None),
        ("I'm sorry, but I can't help with that.", None),
        ("I cannot determine the answer from the image.", None),
        ("As an AI, I cannot see images. A caption would help.", None),
        ("Answer: none of the above", None),
        ("Answer: unknown", None),
        ("Answer: E", None),
        ("Answer: A TEM image of B2 grains", None),
        ("A TEM image shows a crack; B is boron.", None),
        ("A-type zeolite", None),
        ("Answer:", None),
        ("BCC", None),
        ("Cd", None),
    ],
)
def test_letters_in_words(reply, letter):
    assert answers.stated_letter(reply) == letter


@given(
    st.sampled_from(LABELS),
    st.sampled_from(LABELS),
    st.sampled_from(["Answer: {}", "The answer is {}.", "Final answer: **{}**", "answer: ({})",
                     "Answer: {}) a caption", "\\boxed{{{}}}", "Answer: {}. a caption"]),
    st.sampled_from(["{} is wrong.", "{}) does not fit.", "Option {} is too small.", "Not {}.",
                     "Caption {} shows another element.", "At first {} seems right."]),
)  # fmt: skip
def test_what_is_mentioned_before_never_counts(stated, mentioned, form, mention):
    said = form.format(stated)
    assert answers.stated_letter(f"{mention.format(mentioned)}\n{said}") == stated
    assert answers.stated_letter(f"{mention.format(mentioned)} {said}") == stated
    after = f"{said}\n\nExplanation: {mention.format(mentioned)}"
    assert answers.stated_letter(after) == stated


@given(st.text("ABCDabcd answerisotk.:)(*\\{}\n,\"' ", max_size=3000))
def test_long_replies_take_no_time(reply):
    answers.stated_letter(reply)


@pytest.mark.parametrize(
    "text", ["(", "A ", "Answer: ", "or ", "B) ", "best is ", "$", "\n", "B\n"]
)
def test_absurd_replies_take_no_time(text):
    answers.stated_letter(text * 20_000)
    answers.stated_letter("Answer: B " + text * 20_000)


@given(st.text(max_size=200))
def test_no_reply_breaks_the_rules(reply):
    assert answers.first_letter(reply) in (None, *LABELS)
    assert answers.stated_letter(reply) in (None, *LABELS)
    for score in (answers.published_score(reply), answers.stated_score(reply)):
        assert score is None or 0 <= score <= 10
    value = quantities.stated_number(reply, "nm")
    assert value is None or isinstance(value, float)


@pytest.mark.parametrize(
    ("reply", "published", "sound"),
    [
        ("7", 7, 7.0),
        ("10", 10, 10.0),
        ("0", 0, 0.0),
        ("Score: 8", 8, 8.0),
        ("**Score:** 3", 3, 3.0),
        ("7/10", 10, 7.0),  # the published rule takes a 10 anywhere
        ("7 out of 10", 10, 7.0),
        ("Two of the 5 claims agree.\nScore: 4", 5, 4.0),
        ("Score (0-10): 7", 10, 7.0),
        ("Score: 11", None, None),
        ("It agrees with the 3 panels.", 3, None),
        ("very good", None, None),
        ("", None, None),
    ],
)
def test_judges_scores(reply, published, sound):
    assert answers.published_score(reply) == published
    assert answers.stated_score(reply) == sound


# --- numbers with units ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "unit", "value"),
    [
        ("12.5 nm", "nm", 12.5),
        ("12.5", "nm", 12.5),
        ("Answer: 0.0125 µm", "nm", 12.5),
        ("Answer: 0.0125 um", "nm", 12.5),
        ("Answer: 125 Å", "nm", 12.5),
        ("Answer: 125 angstroms", "nm", 12.5),
        ("about 1,200 nm", "nm", 1200),
        ("1.2 × 10^3 nm", "nm", 1200),
        ("1.2×10³ nm", "nm", 1200),
        ("1.2e-3 mm", "µm", 1.2),
        ("3 ± 0.2 nm", "nm", 3),
        ("-3.5 %", "%", -3.5),
        ("\N{MINUS SIGN}3.5 %", "%", -3.5),
        ("The bar of 50 nm is 100 pixels.\nAnswer: **12 nm**", "nm", 12),
        ("\\boxed{210} ", "GPa", 210),
        ("210 GPa", "MPa", 210_000),
        ("35 %", "", 0.35),
        ("0.35", "%", 0.35),
        ("38.2 degrees", "°", 38.2),
        ("Answer: 38.2° 2θ", "°", 38.2),
        ("3.1 µm⁻²", "µm⁻²", 3.1),
        ("3.1 per µm²", "µm⁻²", 3.1),
        ("3.1 um^-2", "µm⁻²", 3.1),
        ("3.1 1/µm²", "µm⁻²", 3.1),
        ("There are 4 elements", "", 4),
        ("7 widgets", "widgets", 7),
        # What else stands in an answer.
        ("Answer: 2θ = 50.0°", "°", 50),
        ("Answer: The strongest peak is at 2θ = 50.0°", "°", 50),
        ("The strongest peak is at 2θ of 50.0°", "°", 50),
        ("Answer: d(111) = 0.235 nm", "nm", 0.235),
        ("Answer: the (111) planes are 0.235 nm apart", "nm", 0.235),
        ("Answer: 3 × 12 = 36 nm", "nm", 36),
        ("Answer: E ≈ 210 GPa (slope = 420 MPa / 0.002)", "GPa", 210),
        ("Answer: 12 nm (the scale bar is 50 nm)", "nm", 12),
        ("Answer: 12 nm (0.012 µm)", "nm", 12),
        ("Answer: 12 nm ± 2 nm", "nm", 12),
        ("Answer: 0.012 (µm)", "nm", 12),
        ("Answer: 12 at 300 K", "nm", 12),
        ("Answer:\n12.5 nm", "nm", 12.5),
        ("Answer: 12 nm. This answer is approximate.", "nm", 12),
        ('{"answer": 12.5}', "nm", 12.5),
        (r"\boxed{d = 2.35\,\text{Å}}", "nm", 0.235),
        (r"$\boxed{50.0^\circ}$", "°", 50),
        (r"Answer: $1.2 \times 10^{3}\ \mathrm{nm}$", "nm", 1200),
        # Commas and spaces in numbers.
        ("Answer: 12,5 nm", "nm", 12.5),
        ("Answer: 0,235 nm", "nm", 0.235),
        ("Answer: 12,500 nm", "nm", 12500),
        ("Answer: 1\u202f200.5 nm", "nm", 1200.5),
        ("Answer: 1 200 nm", "nm", None),
        ("Answer: 1.200,5 nm", "nm", None),
        ("Answer: 12, 14 and 16 nm", "nm", None),
        # Units as people write them.
        ("Answer: 125 Angstroms", "nm", 12.5),
        ("Answer: 367 picometers", "nm", 0.367),
        ("Answer: 12 MICRONS", "nm", 12000),
        ("Answer: 0.5 millimeter", "nm", 5e5),
        ("Answer: 500 particles/mm²", "µm⁻²", 5e-4),
        ("Answer: 500 per square millimeter", "µm⁻²", 5e-4),
        ("Answer: 0.21 TPa", "GPa", 210),
        ("Answer: 210000 Mpa", "GPa", 210),
        ("Answer: 450 degrees C", "°C", 450),
        ("Answer: 450 C", "°C", 450),
        ("Answer: 12 ± 10% nm", "nm", 12),
        ("Answer: 12 in total", "nm", 12),
        ("Answer: 5’000 nm", "nm", 5000),
        ("Answer: 10^3 nm", "nm", 1000),
        ("Answer: 10³ nm", "nm", 1000),
        ("Answer: 1.2*10**3 nm", "nm", 1200),
        # What is counted or measured is something else.
        ("Answer: 12 pixels", "nm", None),
        ("Answer: 12 kg", "nm", None),
        ("Answer: 5 lattice fringes", "nm", None),
        ("Answer: 723 Kelvin", "°C", None),
        ("Answer: 842 °F", "°C", None),
        ("Answer: 30 ksi", "MPa", None),
        ("Answer: 12 nm/pixel", "nm", None),
        ("Answer: 12 nm\N{MINUS SIGN}2", "nm", None),
        # Ranges, roots and powers.
        ("Answer: 10\N{MINUS SIGN}14 nm", "nm", None),
        ("Answer: 10 \N{MINUS SIGN} 14 nm", "nm", None),
        ("Answer: 10..14 nm", "nm", None),
        ("Answer: 2^3 nm", "nm", None),
        ("Answer: √2 nm", "nm", None),
        ("Answer: sqrt(2) nm", "nm", None),
        ("Answer: 1.234.567", "nm", None),
        # None of these says a number of the wanted kind.
        ("10-12 nm", "nm", None),
        ("between 10 and 12 nm", "nm", None),
        ("Answer: 10 to 12 nm", "nm", None),
        ("Answer: 5 K", "nm", None),
        ("Answer: 1/3", "", None),
        ("Answer: 1/3 nm", "nm", None),
        ("Answer: 3 × 12 nm", "nm", None),
        ("Answer: 3 or 12", "nm", None),
        ("Answer: between 10 and 12 nm", "nm", None),
        ("Answer: 10 nm, or 12 nm if large grains count", "nm", None),
        ("Answer: peak (111), plane (200)", "°", None),
        ("Answer: a 3D view", "nm", None),
        ("I cannot read the scale bar", "nm", None),
        ("", "nm", None),
    ],
)
def test_numbers(reply, unit, value):
    found = quantities.stated_number(reply, unit)
    assert found == (None if value is None else pytest.approx(value))


@given(st.floats(1e-3, 1e6), st.sampled_from(["nm", "µm", "Å", "mm"]))
def test_units_convert_both_ways(value, unit):
    there = units.in_unit(value, "nm", unit)
    assert units.in_unit(there, unit, "nm") == pytest.approx(value)
    assert quantities.stated_number(f"Answer: {value:.12g} nm", unit) == pytest.approx(there)


def test_relative_error():
    assert quantities.relative_error(9.0, 10.0) == pytest.approx(0.1)
    assert quantities.relative_error(-10.0, 10.0) == pytest.approx(2.0)
    assert quantities.relative_error(0.0, 0.0) == 0.0
    assert quantities.relative_error(1.0, 0.0) == math.inf
