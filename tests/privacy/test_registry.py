from campaign.models import Alias
from privacy import registry
from protests.models import Signature


def test_every_column_of_every_model_is_declared():
    assert registry.undeclared() == []


def test_a_new_column_without_a_rule_is_found(monkeypatch):
    monkeypatch.setattr(Signature, "personal", {k: v for k, v in Signature.personal.items() if k != "name"})

    assert registry.undeclared() == ["protests.Signature.name"]


def test_a_new_model_without_a_declaration_is_found(monkeypatch):
    monkeypatch.delattr(Alias, "not_personal")

    assert set(registry.undeclared()) == {"campaign.Alias.id", "campaign.Alias.activist", "campaign.Alias.name"}


def test_each_rule_names_a_purpose_and_a_date():
    rules = list(registry.rules())

    assert rules
    for model, _column, rule in rules:
        assert rule.purpose
        assert rule.days > 0
        assert str(rule.due(model).query)  # the date is a column that exists
